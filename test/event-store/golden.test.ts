import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedEventStore, type EmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { expectedAnswer, isComparable, Replay, type Scenario } from './golden-replay.ts';

const file = process.env.GOLDEN_FILE ?? 'test/golden/eventstoredb-23.10.8.ndjson';
const scenarios = readFileSync(file, 'utf8')
  .trim()
  .split('\n')
  .map(line => JSON.parse(line) as Scenario);

describe(`the recorded answers of a real EventStoreDB (${file})`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'verbatim-golden-'));
  let store: EmbeddedEventStore;
  beforeAll(async () => {
    store = await openEmbeddedEventStore({ directory: folder });
  });
  afterAll(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });

  it('are all there', () => {
    expect(scenarios.length).toBeGreaterThan(100);
  });

  it.for(scenarios)('$scenario', async ({ scenario, steps }) => {
    const replay = new Replay(store, scenario);
    for (const [i, step] of steps.filter(isComparable).entries()) {
      const answer = await replay.answer(step);
      // A repeat of an event that $maxCount or $tb hides is never answered by the real server; ours succeeds.
      if (step.result.error === 'no-answer') expect(answer, `step ${i}`).toHaveProperty('ok');
      else expect(answer, `step ${i}: ${JSON.stringify(step)}`).toEqual(expectedAnswer(step));
    }
  });
});
