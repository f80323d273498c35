/**
 * How long from a message to its being seen in a query, at 1,000 messages a second, as `serve` runs it: commands on the
 * main thread, the projector in a thread of its own, queries on the main thread again. Beside it, of the same messages,
 * how long to the ack and to a plain catch-up subscription. And what projecting takes from the main thread, which is the
 * gateway's: its event loop's delay and the acks, with projections and without, by turns.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { openEngine } from '../src/cli/engine.ts';
import type { Engine } from '../src/cli/engine.ts';
import { openReadSide } from '../src/cli/read-side.ts';
import type { ReadSide } from '../src/cli/read-side.ts';
import { loadConfig } from '../src/config/config.ts';
import { builtProjectionThread } from './support/built-thread.ts';
import { seeded, TENANT, textOf } from './support/conversations.ts';
import { machineLine } from './support/machine.ts';
import { openLoop } from './support/open-loop.ts';
import { newestMessage } from './support/product-queries.ts';
import { stderrLogger } from './support/stderr-logger.ts';
import { median, percentile, round, table } from './support/stats.ts';

const PER_SECOND = Number(process.env.PER_SECOND ?? 1_000);
const SECONDS = Number(process.env.SECONDS ?? 30);
const ROUNDS = Number(process.env.ROUNDS ?? 2);
const ROOMS = Number(process.env.ROOMS ?? 500);
const WARM_UP_SECONDS = 3;
/** Each so many messages one is looked for in queries until it is there, and one is asked for with `minPosition`. */
const SAMPLED_EVERY = 20;
const POLL_MS = 1;
/** The longer it takes the less often it is looked at, or looking would be what slows it down. */
const POLL_SHARE = 0.1;
const GIVE_UP_MS = 10_000;

interface Figures {
  readonly acked: readonly number[];
  readonly subscribed: readonly number[];
  /** Empty without projections. */
  readonly visible: readonly number[];
  /** From the ack to the answer of a query that was to show it. */
  readonly readOwn: readonly number[];
  readonly loopP50: number;
  readonly loopP99: number;
  readonly loopMax: number;
  /** Of one core. */
  readonly cpu: number;
}

const random = seeded(1);
const agent = { id: 'agent-1', role: 'agent' } as const;

async function startRooms({ commands }: Engine): Promise<void> {
  for (let i = 0; i < ROOMS; i++)
    await commands.handle({
      ...{ tenant: TENANT, id: `room-${i}`, commandId: randomUUID(), actor: agent },
      command: { type: 'StartConversation', data: { channel: 'web', visitor: `visitor-${i}` } },
    });
}

/** When each position was seen by a subscription of its own, and who waits for that. */
class Seen {
  private readonly at = new Map<bigint, number>();
  private readonly ended = new AbortController();
  private readonly running: Promise<void>;

  constructor({ store }: Engine) {
    this.running = this.follow(store);
  }

  private async follow(store: Engine['store']): Promise<void> {
    const filter = { by: 'stream', prefixes: ['conversation-'] } as const;
    for await (const message of store.subscribeToAll({ after: 'end', filter, signal: this.ended.signal })) {
      if (message.kind !== 'events') continue;
      const now = performance.now();
      for (const { position } of message.events) this.at.set(position, now);
    }
  }

  async when(position: bigint): Promise<number> {
    for (;;) {
      const at = this.at.get(position);
      if (at !== undefined) return at;
      await delay(POLL_MS);
    }
  }

  async end(): Promise<void> {
    this.ended.abort();
    await this.running;
  }
}

async function untilVisible({ readModels }: ReadSide, conversation: string, seq: number): Promise<number> {
  const begun = performance.now();
  for (;;) {
    const newest = await newestMessage(readModels, conversation);
    const now = performance.now();
    if (newest >= seq) return now;
    if (now - begun > GIVE_UP_MS) throw new Error(`${conversation}@${seq} was not in the read model in time.`);
    await delay(POLL_MS + (now - begun) * POLL_SHARE);
  }
}

async function drive(engine: Engine, readSide: ReadSide | undefined, seconds: number): Promise<Figures> {
  const seen = new Seen(engine);
  const [visible, readOwn, subscribed, looking]: [number[], number[], number[], Promise<void>[]] = [[], [], [], []];
  const look = async (i: number, conversation: string, begun: number, last: bigint, position: bigint) => {
    // Each room has its start at revision 0, and messages behind it.
    const seq = Number(last) - 1;
    if (readSide === undefined) return;
    if (i % SAMPLED_EVERY === 0) visible.push((await untilVisible(readSide, conversation, seq)) - begun);
    if (i % SAMPLED_EVERY !== SAMPLED_EVERY / 2) return;
    const acked = performance.now();
    const newest = await newestMessage(readSide.readModels, conversation, Number(position));
    if (newest < seq) throw new Error(`${conversation}@${seq} was not in an answer that was to show it.`);
    readOwn.push(performance.now() - acked);
  };
  const post = async (i: number): Promise<void> => {
    const id = `room-${Math.floor(random() * ROOMS)}`;
    const begun = performance.now();
    const { last, position } = await engine.commands.handle({
      ...{ tenant: TENANT, id, commandId: randomUUID(), actor: agent },
      command: { type: 'PostMessage', data: { text: textOf(random) } },
    });
    if (position === null) throw new Error('A message was not appended.');
    if (i % SAMPLED_EVERY === 0) looking.push(seen.when(position).then(at => void subscribed.push(at - begun)));
    looking.push(look(i, id, begun, last, position));
  };
  const loop = monitorEventLoopDelay({ resolution: 1 });
  const cpu = process.cpuUsage();
  loop.enable();
  const acked = await openLoop(post, { perSecond: PER_SECOND, seconds });
  loop.disable();
  const { user, system } = process.cpuUsage(cpu);
  await Promise.all(looking);
  await seen.end();
  const sorted = (values: readonly number[]): readonly number[] => [...values].sort((a, b) => a - b);
  return {
    ...{ acked, subscribed: sorted(subscribed), visible: sorted(visible), readOwn: sorted(readOwn) },
    ...{ loopP50: loop.percentile(50) / 1e6, loopP99: loop.percentile(99) / 1e6, loopMax: loop.max / 1e6 },
    cpu: (user + system) / 1e6 / seconds,
  };
}

/** Its thread says nothing before it has begun. */
function isLive({ projections }: ReadSide): boolean {
  const status = projections.status();
  return status.length > 0 && status.every(({ state }) => state === 'live');
}

async function run(projecting: boolean): Promise<Figures> {
  const folder = mkdtempSync(join(process.cwd(), '.bench-'));
  try {
    const { config } = loadConfig({ environment: { DATA_DIR: join(folder, 'data') } });
    const onLost = (): never => {
      throw new Error('Somebody else has the folder of the benchmark.');
    };
    const engine = await openEngine({ config, logger: stderrLogger, command: 'bench', onLost });
    const readSide = projecting
      ? await openReadSide(config, engine, stderrLogger, await builtProjectionThread())
      : undefined;
    try {
      await startRooms(engine);
      while (readSide && !isLive(readSide)) await delay(POLL_MS);
      await drive(engine, readSide, WARM_UP_SECONDS);
      return await drive(engine, readSide, SECONDS);
    } finally {
      await readSide?.close();
      await engine.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const all: { readonly without: Figures; readonly with: Figures }[] = [];
for (let number = 1; number <= ROUNDS; number++) {
  const both = { without: await run(false), with: await run(true) };
  all.push(both);
  for (const [name, figures] of Object.entries(both))
    console.error(
      `round ${number}, ${name} projections: acks p99 ${round(percentile(figures.acked, 0.99), 1)} ms, visible p99 ` +
        `${round(percentile(figures.visible, 0.99), 1)} ms, loop p99 ${round(figures.loopP99, 1)} ms, ${round(figures.cpu, 2)} cores`,
    );
}

const of = (pick: (both: (typeof all)[number]) => number): number => median(all.map(pick));
const quantiles = (pick: (both: (typeof all)[number]) => readonly number[]): string[] => [
  ...[0.5, 0.95, 0.99].map(share =>
    round(
      of(both => percentile(pick(both), share)),
      1,
    ),
  ),
  round(
    of(both => pick(both).at(-1) ?? NaN),
    1,
  ),
];
const peer = of(both => percentile(both.with.subscribed, 0.99));
const line = (label: string, pick: (both: (typeof all)[number]) => readonly number[]): string[] => [
  ...[label, ...quantiles(pick)],
  round(of(both => percentile(pick(both), 0.99)) / peer, 2),
];
console.log(`lag: ${PER_SECOND} messages/s for ${SECONDS} s in ${ROOMS} rooms, ${ROUNDS} rounds, ${machineLine()}\n`);
console.log(
  table(
    ['from the command', 'p50 ms', 'p95', 'p99', 'max', 'p99 to the subscription'],
    [
      line('to the ack, without projections', both => both.without.acked),
      line('to the ack', both => both.with.acked),
      line('to a catch-up subscription in the same process', both => both.with.subscribed),
      line('**to being seen in a query**', both => both.with.visible),
      line('from the ack to an answer with its `minPosition`', both => both.with.readOwn),
    ],
  ),
);
console.log('');
console.log(
  table(
    ['main thread', 'loop delay p50 ms', 'p99', 'max', 'cores used by the process'],
    (['without', 'with'] as const).map(name => [
      `${name} projections`,
      ...[of(both => both[name].loopP50), of(both => both[name].loopP99), of(both => both[name].loopMax)].map(value =>
        round(value, 1),
      ),
      round(
        of(both => both[name].cpu),
        2,
      ),
    ]),
  ),
);
console.log(
  `\nLoop delay p99 with to without: ${round(
    of(both => both.with.loopP99 / both.without.loopP99),
    2,
  )}`,
);
