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

/**
 * With seed 1 the directed scenarios are asked too.
 *
 * @param quietMs how long a subscription may be quiet before its events count as all there are
 */
export async function record(
  port: number,
  seeds: { readonly first: number; readonly count: number },
  quietMs: number,
): Promise<Scenario[]> {
  const folder = await mkdtemp(join(tmpdir(), 'verbatim-recorder-'));
  try {
    const file = join(folder, 'answers.ndjson');
    const address = `esdb://127.0.0.1:${port}?tls=false`;
    await promisify(execFile)(process.execPath, [RECORDER, address, file, String(seeds.count), String(seeds.first)], {
      env: { ...process.env, PERSISTENT: '0', SIDE_BY_SIDE, QUIET_MS: String(quietMs) },
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
