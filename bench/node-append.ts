/**
 * How many durable appends a second does the node answer through the official client, one and 256 in flight, beside the
 * same store in its own process without a wire, and beside appends of no event, which are all wire and no disk? In turns,
 * each a second; the client's side is this process.
 */
import type { EventStoreDBClient } from '@eventstore/db-client';
import { machineLine, versionOf } from './support/machine.ts';
import { clientEvent, startNodeBench } from './support/node-client.ts';
import { median, round, table } from './support/stats.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 7);
const RUN_MS = Number(process.env.RUN_MS ?? 1_000);
const IN_FLIGHT = [1, 256];

async function throughClient(client: EventStoreDBClient, label: string, inFlight: number, events = 1): Promise<number> {
  let appended = 0;
  const begunMs = performance.now();
  const write = async (writer: number): Promise<void> => {
    while (performance.now() - begunMs < RUN_MS) {
      const batch = Array.from({ length: events }, clientEvent);
      await client.appendToStream(`wire-${label}-${writer}`, batch, { expectedRevision: 'any' });
      appended += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, writer) => write(writer)));
  return (appended / (performance.now() - begunMs)) * 1_000;
}

const bench = await startNodeBench();
try {
  const client = bench.connect();
  await throughClient(client, 'warm', 16);
  const rows: (string | number)[][] = [];
  for (const inFlight of IN_FLIGHT) {
    const found: { wire: number; inProcess: number; empty: number; serverUs: number; clientUs: number }[] = [];
    for (let turn = 0; turn < ROUNDS; turn += 1) {
      const inProcess = await bench.server.ask('appendInProcess', inFlight, RUN_MS);
      const empty = await throughClient(client, `${inFlight}-${turn}`, inFlight, 0);
      await bench.server.ask('begin');
      const cpu = process.cpuUsage();
      const wire = await throughClient(client, `${inFlight}-${turn}`, inFlight);
      const { user, system } = process.cpuUsage(cpu);
      const appends = (wire * RUN_MS) / 1_000;
      found.push({
        ...{ wire, inProcess, empty },
        serverUs: (await bench.server.ask('end')) / appends,
        clientUs: (user + system) / appends,
      });
    }
    const of = (pick: (turn: (typeof found)[number]) => number): number => median(found.map(pick));
    rows.push([
      inFlight,
      round(of(turn => turn.wire)),
      round(of(turn => turn.inProcess)),
      round(of(turn => turn.empty)),
      round(
        of(turn => turn.wire / turn.inProcess),
        2,
      ),
      round(of(turn => turn.serverUs)),
      round(of(turn => turn.clientUs)),
    ]);
  }
  console.log(`node-append: ${machineLine()}, @eventstore/db-client ${versionOf('@eventstore/db-client')}`);
  console.log(
    table(
      [
        'in flight',
        'appends/s over gRPC',
        'in process',
        'no event, over gRPC',
        'ratio to in process',
        'server CPU us each',
        'client CPU us each',
      ],
      rows,
    ),
  );
} finally {
  await bench.end();
}
