/**
 * How many events a second does a subscriber to everything get from the node while it catches up: through the official
 * client, through its bare gRPC stub that decodes nothing, and in the server's own process? In turns.
 */
import { START } from '@eventstore/db-client';
import { Client, credentials } from '@grpc/grpc-js';
import { machineLine, versionOf } from './support/machine.ts';
import { startNodeBench } from './support/node-client.ts';
import type { NodeBench } from './support/node-client.ts';
import { median, round, table } from './support/stats.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 5);
const EVENTS = Number(process.env.EVENTS ?? 200_000);
/** Streams.Read of `$all` from the start as a subscription, without a filter, ids as text. */
const SUBSCRIBE = Buffer.from('0a0a12021200320042004a021200', 'hex');
SUBSCRIBE[1] = SUBSCRIBE.length - 2;

async function throughClient(bench: NodeBench): Promise<number> {
  const client = bench.connect();
  const begunMs = performance.now();
  let seen = 0;
  const subscription = client.subscribeToAll({ fromPosition: START });
  for await (const event of subscription) {
    if (event.event !== undefined) seen += 1;
    if (seen >= EVENTS) break;
  }
  return (seen / (performance.now() - begunMs)) * 1_000;
}

async function throughStub(bench: NodeBench): Promise<number> {
  const client = new Client(bench.address, credentials.createInsecure());
  const asIs = (bytes: Buffer): Buffer => bytes;
  const begunMs = performance.now();
  let seen = 0;
  const call = client.makeServerStreamRequest('/event_store.client.streams.Streams/Read', asIs, asIs, SUBSCRIBE);
  await new Promise<void>((resolve, reject) => {
    call.on('data', () => {
      seen += 1;
      if (seen >= EVENTS) resolve();
    });
    call.on('error', error => {
      if (seen < EVENTS) reject(error);
    });
  });
  const rate = (seen / (performance.now() - begunMs)) * 1_000;
  call.cancel();
  client.close();
  return rate;
}

const bench = await startNodeBench();
try {
  await bench.server.ask('prefill', EVENTS);
  const found = new Map<string, { rate: number; serverUs: number }[]>();
  const measure = async (name: string, run: () => Promise<number>): Promise<void> => {
    await bench.server.ask('begin');
    const rate = await run();
    const serverUs = (await bench.server.ask('end')) / EVENTS;
    found.set(name, [...(found.get(name) ?? []), { rate, serverUs }]);
  };
  for (let turn = 0; turn < ROUNDS; turn += 1) {
    await measure('official client', () => throughClient(bench));
    await measure('bare gRPC stub', () => throughStub(bench));
    await measure('in process', () => bench.server.ask('catchUpInProcess', EVENTS));
  }
  const stub = median((found.get('bare gRPC stub') ?? []).map(({ rate }) => rate));
  console.log(`node-catch-up: ${machineLine()}, @eventstore/db-client ${versionOf('@eventstore/db-client')}`);
  console.log(
    table(
      ['subscriber', 'events/s', 'of the bare stub', 'server CPU us an event'],
      [...found].map(([name, turns]) => {
        const rate = median(turns.map(turn => turn.rate));
        const serverUs = median(turns.map(turn => turn.serverUs));
        return [name, round(rate), round(rate / stub, 2), round(serverUs, 1)];
      }),
    ),
  );
} finally {
  await bench.end();
}
