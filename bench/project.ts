/**
 * How many events a second become read models? The projector with both projections (four read models with their indexes,
 * from sealed events, embedded), following the log from its beginning in one thread, rebuilding, and in the thread of its
 * own that `serve` gives it. Beside it a bare fold of two read models into lmdb from opened events, and opening the same
 * sealed events alone. Each in a process of its own, by turns; figures are medians, ratios those of one round.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openEmbeddedEventStore } from '../src/event-store/event-store.embedded.ts';
import { createSealedCodec } from '../src/keyring/codec.sealed.ts';
import { KeyCache } from '../src/keyring/key-cache.ts';
import { openEmbeddedKeyring } from '../src/keyring/keyring.embedded.ts';
import { createConversationSerializer } from '../src/schemas/aggregate-serializers.ts';
import { startChild } from './support/child-process.ts';
import { stored, streamOf, traffic } from './support/conversations.ts';
import { machineLine, versionOf } from './support/machine.ts';
import type { ProjectRunner, RunFigures } from './support/project-runner.ts';
import { median, round, table } from './support/stats.ts';

const EVENTS = Number(process.env.EVENTS ?? 200_000);
const ROUNDS = Number(process.env.ROUNDS ?? 3);
/** Conversations under way at a time. */
const ACTIVE = Number(process.env.ACTIVE ?? 200);
const APPENDED_AT_ONCE = 512;
const STEP_MS = 200;

const folder = mkdtempSync(join(process.cwd(), '.bench-'));

async function fill(): Promise<void> {
  const store = await openEmbeddedEventStore({ directory: join(folder, 'log') });
  const keyring = await openEmbeddedKeyring({ directory: join(folder, 'keyring'), mayBegin: true });
  const codec = createSealedCodec({ keyring: new KeyCache(keyring, { keysMax: 50_000 }) });
  const serializer = createConversationSerializer({ codec });
  const made = traffic({ seed: 8, active: ACTIVE, beginMs: Date.now() - EVENTS * STEP_MS, stepMs: STEP_MS });
  for (let done = 0; done < EVENTS; done += APPENDED_AT_ONCE) {
    const some = Array.from({ length: Math.min(APPENDED_AT_ONCE, EVENTS - done) }, () => made.next().value);
    const sealed = await Promise.all(some.map(one => stored(serializer, one)));
    await Promise.all(
      some.map(({ conversation }, i) =>
        store.append(streamOf(conversation), sealed[i] ?? [], { expectedRevision: 'any' }),
      ),
    );
  }
  await store.close();
  await keyring.close();
}

const SYSTEMS = {
  fold: 'bare fold of two read models into lmdb, from opened events',
  open: 'opening sealed events alone',
  live: '**both projections, following from the beginning, one thread**',
  rebuild: '**both projections, rebuilt one after the other, one thread**',
  threadLive: '**both, following, in the thread of `serve`**',
  threadRebuild: '**both, rebuilt, in the thread of `serve`**',
} as const;
type SystemName = keyof typeof SYSTEMS;

const figures: Record<SystemName, RunFigures[]> = {
  ...{ fold: [], open: [], live: [], rebuild: [], threadLive: [], threadRebuild: [] },
};

function note(name: SystemName, number: number, run: RunFigures): void {
  const { events, seconds, cpuSeconds, ownMb } = run;
  const each = round((cpuSeconds / events) * 1e6, 1);
  console.error(
    `round ${number}, ${name}: ${round(events / seconds)} events/s, ${each} us CPU each, ${round(ownMb)} MB`,
  );
  if (number > 0 || ROUNDS === 0) figures[name].push(run);
}

async function inChild(number: number, run: (ask: ReturnType<typeof start>) => Promise<void>): Promise<void> {
  const target = join(folder, `run-${number}`);
  mkdirSync(target);
  const child = start(target);
  try {
    await run(child);
  } finally {
    await child.end();
    rmSync(target, { recursive: true, force: true });
  }
}

const start = (target: string) => startChild<ProjectRunner>('project-runner', [folder, target]);

try {
  const begun = performance.now();
  await fill();
  console.error(`${EVENTS} events in ${round((performance.now() - begun) / 1_000, 1)} s`);
  for (let number = 1; number <= ROUNDS; number++) {
    await inChild(number, async child => {
      note('fold', number, await child.ask('fold'));
    });
    await inChild(number, async child => {
      note('open', number, await child.ask('open'));
    });
    for (const [where, live, rebuild] of [
      ['here', 'live', 'rebuild'],
      ['thread', 'threadLive', 'threadRebuild'],
    ] as const)
      await inChild(number, async child => {
        note(live, number, await child.ask('begin', where));
        note(rebuild, number, await child.ask('rebuild'));
      });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const rateOf = ({ events, seconds }: RunFigures): number => events / seconds;
const rows = Object.entries(SYSTEMS).map(([name, label]) => {
  const own = figures[name as SystemName];
  const ratio = (to: SystemName): string =>
    round(median(own.map((run, i) => rateOf(run) / rateOf(figures[to][i] ?? run))), 2);
  const of = (pick: (run: RunFigures) => number): number => median(own.map(pick));
  return [
    ...[label, round(of(rateOf)), ratio('fold'), ratio('open')],
    ...[
      round(
        of(({ cpuSeconds, events }) => (cpuSeconds / events) * 1e6),
        1,
      ),
    ],
    ...[`${round(of(run => run.ownMb))} / ${round(of(run => run.rssMb))} / ${round(of(run => run.heapMb))}`],
  ];
});
console.log(
  `project: ${EVENTS} events, ${ACTIVE} conversations at a time, ${ROUNDS} rounds, lmdb ${versionOf('lmdb')}, ${machineLine()}\n`,
);
const header = ['', 'events/s', 'to the bare fold', 'to opening', 'CPU an event, us'];
console.log(table([...header, 'peak MB: own / resident / heap of the main thread'], rows));
