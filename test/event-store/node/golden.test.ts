import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EventStore } from '../../../src/event-store/event-store.ts';
import { expectedAnswer, isComparable, Replay } from '../golden-replay.ts';
import type { Scenario } from '../golden-replay.ts';
import { startTestNode } from './node-fixture.ts';
import type { TestNode } from './node-fixture.ts';
import { record } from './recorder.ts';

const recorded = readFileSync(process.env.GOLDEN_FILE ?? 'test/golden/eventstoredb-23.10.8.ndjson', 'utf8')
  .trim()
  .split('\n')
  .map(line => JSON.parse(line) as Scenario)
  .filter(({ scenario }) => !scenario.startsWith('group-'));
const SEEDS = 120;
const OWN_SEEDS = 20;
const FIRST_OWN_SEED = 70_001;
const TIMEOUT_MS = 240_000;
/** On a machine with much else to do a late answer looks like none: what differs is asked once more, with patience. */
const QUIET_MS = 200;
const PATIENT_QUIET_MS = 2_000;

/** Where the answers differ: `scenario, step: ours / recorded`. */
function differences(ours: readonly Scenario[], theirs: readonly Scenario[]): string[] {
  const found: string[] = [];
  for (const { scenario, steps } of theirs) {
    const asked = ours.find(other => other.scenario === scenario)?.steps ?? [];
    for (const [i, step] of steps.entries()) {
      const answer = asked[i];
      // A repeat of an event that $maxCount or $tb hides is never answered by the real server; ours succeeds.
      if (step.result.error === 'no-answer' && answer?.result.ok !== undefined) continue;
      if (JSON.stringify(answer) !== JSON.stringify(step))
        found.push(`${scenario}, ${i}: ${JSON.stringify(answer)} / ${JSON.stringify(step)}`);
    }
  }
  return found;
}

/** The same, against what the store answers in process, in streams named after the `attempt`. */
async function differencesInProcess(
  store: EventStore,
  answers: readonly Scenario[],
  attempt: number,
): Promise<string[]> {
  const found: string[] = [];
  for (const { scenario, steps } of answers) {
    const replay = new Replay(store, `${attempt}_${scenario}`);
    for (const [i, step] of steps.filter(isComparable).entries()) {
      const [inProcess, overTheWire] = [await replay.answer(step), expectedAnswer(step)];
      // Which events were read is said by their symbols, which the two give the same ids.
      if (JSON.stringify(inProcess) !== JSON.stringify(overTheWire))
        found.push(`${scenario}, ${i}: ${JSON.stringify(step)} / ${JSON.stringify(inProcess)}`);
    }
  }
  return found;
}

async function differencesInTime(asked: (quietMs: number) => Promise<string[]>): Promise<string[]> {
  const found = await asked(QUIET_MS);
  if (found.length === 0) return found;
  console.warn(`Asked again with patience: ${found.length} answers differed, the first ${found[0] ?? ''}`);
  return asked(PATIENT_QUIET_MS);
}

describe('the recorder, through the official client, against the node', () => {
  let node: TestNode;
  beforeAll(async () => {
    node = await startTestNode();
  });
  afterAll(() => node.dispose());

  it(
    'gets every answer that a real EventStoreDB gave',
    async () => {
      expect(recorded.flatMap(({ steps }) => steps).length).toBeGreaterThan(3_000);
      const found = await differencesInTime(async quietMs => {
        const answers = await record(node.port, { first: 1, count: SEEDS }, quietMs);
        expect(answers).toHaveLength(recorded.length);
        return differences(answers, recorded);
      });
      expect(found).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    'gets, for seeds of our own, what the store answers in process',
    async () => {
      const found = await differencesInTime(async quietMs => {
        const answers = await record(node.port, { first: FIRST_OWN_SEED, count: OWN_SEEDS }, quietMs);
        expect(answers).toHaveLength(OWN_SEEDS);
        return differencesInProcess(node.store, answers, quietMs);
      });
      expect(found).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it('a planted difference is found', () => {
    const [first] = recorded;
    if (first === undefined) throw new Error('There are recorded answers.');
    const planted = [{ ...first, steps: first.steps.map(step => ({ ...step, result: { ok: { revision: 7 } } })) }];
    expect(differences(planted, [first])).toHaveLength(first.steps.length);
    expect(differences([], [first])).toHaveLength(first.steps.length);
  });
});
