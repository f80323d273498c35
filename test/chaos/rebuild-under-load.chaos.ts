/**
 * All read models are built anew, again and again, while 500 messages a second arrive and queries are asked all the time: none
 * may fail, come back empty, or show less than it showed before or was asked to show. Quiet stretches in between, under the same
 * load without a rebuild, say what a rebuild costs.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { PROJECTIONS } from '../../src/projections/projections.ts';
import { median, percentile } from '../../bench/support/stats.ts';
import { linesOf, readNdjson, renamed, SAMPLE, toNdjson } from '../support/sample.ts';
import { startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { QueryWatch } from './query-watch.ts';
import type { Sample, Way } from './query-watch.ts';
import { checkReadModels } from './read-model-checker.ts';
import { readAnswers, readHistories, readList } from './read-model-reader.ts';
import { expectVerified, UNLIMITED } from './read-side-process.ts';
import { randomOf, SCALE, scaled, SEED } from './scale.ts';
import { SteadyPoster } from './steady-posters.ts';

/** A small machine that runs a small part of this has other work to do as well. */
const PER_SECOND = SCALE >= 0.5 ? 500 : 250;
const LOUD_MS = scaled(60_000, 12_000);
const ROUNDS = scaled(4, 3);
/** Of a round: the rest of it is the rebuilds'. */
const QUIET_PART = 0.6;
/** There before, so that a rebuild has something to do. */
const SEEDED_LINES = scaled(20_000, 2_000);
const ASKERS = 4;
/** The aim is 2, which a machine with other work to do cannot be held to; nor what is fast anyway. */
const RATIO_MAX = 6;
const FAST_MS = 100;
const DIFFERENCES_SHOWN = 20;

let server: ServerProcess | undefined;
afterAll(() => server?.dispose());

describe('rebuild under load', () => {
  it(`${ROUNDS} rounds of rebuilds beside ${PER_SECOND} messages a second: no query fails or is empty, no switch loses anything`, async () => {
    console.log(`SEED=${SEED} SCALE=${SCALE}`);
    server = await startServer({
      environment: {
        ...{ ...UNLIMITED, LOG_LEVEL: 'warn', PROJECTION_DROP_GRACE_MS: '2000' },
        // On a machine that cannot keep up with all of this at once, what waits is late, and does not fail.
        QUERY_WAIT_MS_MAX: '60000',
      },
    });
    const seeded = await seed(server);
    const token = server.token('agent', 'ada');
    const poster = new SteadyPoster({
      ...{ gatewayUrl: server.gatewayUrl, token, name: 'steady', rooms: 120, perSecond: PER_SECOND },
    });
    await poster.begin();
    // What is asked without a position is promised nothing of what has just begun.
    await readList({ httpUrl: server.httpUrl, token }, poster.position);
    const watch = new QueryWatch({ httpUrl: server.httpUrl, token, poster, random: randomOf('queries') });
    const ended = new AbortController();
    const watching = watch.run(ended.signal, ASKERS);
    // What is loaded and compiled first is no figure.
    await delay((LOUD_MS / ROUNDS) * QUIET_PART);
    const rounds: Round[] = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push(await goRound(server, watch));
    ended.abort();
    await watching;
    await poster.end();

    const rebuilds = rounds.reduce((sum, round) => sum + round.rebuilds, 0);
    const { plain } = report(rounds);
    const acks = [...poster.ackMs].sort((a, b) => a - b);
    console.log(
      `  ${rebuilds} rebuilds, ${poster.posts} posts (acks p95 ${percentile(acks, 0.95).toFixed(1)} ms), ` +
        `${watch.asked} queries`,
    );
    expect(watch.complaints).toEqual([]);
    expect(poster.refusals).toEqual([]);
    expect(rebuilds).toBeGreaterThanOrEqual(ROUNDS * PROJECTIONS.length);
    // Of the others it says how far behind the projector was, which is the machine's to say.
    if (plain.ms > FAST_MS) expect(plain.ratio).toBeLessThan(RATIO_MAX);
    await expectWhole(server, [...seeded, ...poster.rooms.map(({ conversation }) => conversation)], poster.position);
  });
});

interface Round {
  readonly quiet: readonly Sample[];
  readonly loud: readonly Sample[];
  readonly rebuilds: number;
}

async function goRound(at: ServerProcess, watch: QueryWatch): Promise<Round> {
  const loudMs = LOUD_MS / ROUNDS;
  watch.take();
  await delay(loudMs * QUIET_PART);
  const quiet = watch.take();
  const deadlineMs = performance.now() + loudMs;
  const counts = await Promise.all(
    PROJECTIONS.map(async ({ schema: { name } }) => {
      let count = 0;
      do {
        await rebuild(at, name);
        count += 1;
      } while (performance.now() < deadlineMs);
      return count;
    }),
  );
  return { quiet, loud: watch.take(), rebuilds: counts.reduce((a, b) => a + b, 0) };
}

async function rebuild(at: ServerProcess, name: string): Promise<void> {
  const answer = await fetch(`${at.httpUrl}/v1/projections/${name}/rebuild`, {
    method: 'POST',
    headers: { authorization: `Bearer ${at.token('service', 'operator')}` },
  });
  const last = (await answer.text()).trimEnd().split('\n').at(-1) ?? '';
  expect(last).toContain('"result"');
}

interface Cost {
  /** Median of the rounds' own. */
  readonly ratio: number;
  /** p95 while rebuilding. */
  readonly ms: number;
}

/** Prints p95s with their ratios, of each way of asking. */
function report(rounds: readonly Round[]): Record<Way, Cost> {
  const p95 = (samples: readonly Sample[]): number =>
    percentile(
      samples.map(({ ms }) => ms).sort((a, b) => a - b),
      0.95,
    );
  const costOf = (way: Way): Cost => {
    const of = (samples: readonly Sample[]): readonly Sample[] => samples.filter(sample => sample.way === way);
    const ratio = median(rounds.map(({ quiet, loud }) => p95(of(loud)) / p95(of(quiet))));
    const [quiet, loud] = [rounds.flatMap(round => of(round.quiet)), rounds.flatMap(round => of(round.loud))];
    console.log(
      `  ${way === 'plain' ? 'without a position' : 'with minPosition of an ack'}: p95 ${p95(quiet).toFixed(1)} ms quiet, ` +
        `${p95(loud).toFixed(1)} ms while rebuilding; median of the rounds' ratios ${ratio.toFixed(2)} (aim <= 2)`,
    );
    for (const kind of new Set(loud.map(sample => sample.kind))) {
      const ofKind = (samples: readonly Sample[]): readonly Sample[] => samples.filter(sample => sample.kind === kind);
      console.log(`    ${kind}: ${p95(ofKind(quiet)).toFixed(1)} / ${p95(ofKind(loud)).toFixed(1)} ms`);
    }
    return { ratio, ms: p95(loud) };
  };
  return { plain: costOf('plain'), own: costOf('own') };
}

async function expectWhole(at: ServerProcess, conversations: readonly string[], position: string): Promise<void> {
  await expectVerified(at);
  const reader = { httpUrl: at.httpUrl, token: at.token('auditor', 'judge') };
  const histories = await readHistories(reader, conversations);
  const violations = checkReadModels(histories, await readAnswers(reader, histories, position));
  expect(violations.slice(0, DIFFERENCES_SHOWN)).toEqual([]);
}

/** Gives the conversations. */
async function seed(at: ServerProcess): Promise<string[]> {
  const sample = linesOf(readNdjson(SAMPLE));
  const copies = Array.from({ length: Math.ceil(SEEDED_LINES / sample.length) }, (_, i) =>
    renamed(sample, `copy-${i}`),
  );
  const lines = copies.flat();
  const answer = await fetch(`${at.httpUrl}/v1/import`, {
    method: 'POST',
    headers: { authorization: `Bearer ${at.token('service', 'importer')}`, 'content-type': 'application/x-ndjson' },
    body: toNdjson(lines),
  });
  expect(await answer.text()).not.toContain('rejected');
  return [...new Set(lines.map(({ conversation }) => conversation))];
}
