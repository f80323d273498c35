/** The recorder that asked a real EventStoreDB (test/golden/record.mjs), run as a process of its own. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Scenario } from '../golden-replay.ts';

const RECORDER = join(import.meta.dirname, '..', '..', 'golden', 'record.mjs');
const TIMEOUT_MS = 120_000;
/** Scenarios wait for quiet subscriptions most of the time, and never meet. */
const SIDE_BY_SIDE = '48';
const QUIET_MS = '200';

/** With seed 1 the directed scenarios are asked too. */
export async function record(port: number, seeds: number, firstSeed: number): Promise<Scenario[]> {
  const folder = await mkdtemp(join(tmpdir(), 'verbatim-recorder-'));
  try {
    const file = join(folder, 'answers.ndjson');
    const address = `esdb://127.0.0.1:${port}?tls=false`;
    await promisify(execFile)(process.execPath, [RECORDER, address, file, String(seeds), String(firstSeed)], {
      env: { ...process.env, PERSISTENT: '0', SIDE_BY_SIDE, QUIET_MS },
      timeout: TIMEOUT_MS,
    });
    return (await readFile(file, 'utf8'))
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Scenario);
  } finally {
    await rm(folder, { recursive: true });
  }
}
