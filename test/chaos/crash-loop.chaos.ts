/**
 * A server that is killed again and again before it is up: while it reads the log, writes the index, takes the lock. Each
 * start begins where the last one was cut off; what they leave behind is one log, the same, and no more of anything.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { linesOf, readNdjson, renamed, SAMPLE, toNdjson } from '../support/sample.ts';
import { startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { untilCaughtUp } from './read-side-process.ts';
import { randomOf, SCALE, scaled, SEED } from './scale.ts';

const KILLS = scaled(50, 5);
const COPIES = scaled(40, 8);
/** The index is gone before every so many starts, so that there is something to recover. */
const INDEX_GONE_EVERY = 3;
/** The lock's owner is noted once a start; the lmdb files of index, keyring and read models grow by pages. */
const OTHER_BYTES_MAX = 1_048_576;

let server: ServerProcess | undefined;
afterAll(() => server?.dispose());

describe('crash loop', () => {
  it(`${KILLS} starts killed before they are ready: the log is the same, byte for byte, and nothing grows`, async () => {
    console.log(`SEED=${SEED} SCALE=${SCALE}`);
    const random = randomOf('crash loop');
    server = await startServer({ environment: { LOG_LEVEL: 'warn' } });
    await importSample(server);
    const before = await exportOf(server);
    await server.kill9();
    const folder = server.dataFolder;
    const startMs = await server.start();
    // What is not projected yet would be what grows.
    await untilCaughtUp(server);
    await server.kill9();
    const [segments, others] = [bytesOf(join(folder, 'log', 'segments')), sizeOf(folder)];
    let early = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      if (kill % INDEX_GONE_EVERY === 0) rmSync(join(folder, 'log', 'index'), { recursive: true, force: true });
      server.launch();
      const isReady = server.untilReady().then(
        () => true,
        () => false,
      );
      const wasReady = await Promise.race([isReady, delay(startMs * 1.1 * random(), false)]);
      if (!wasReady) early += 1;
      await server.kill9();
      await isReady;
    }
    await server.start();
    await untilCaughtUp(server);
    expect(await exportOf(server)).toBe(before);
    await server.kill9();
    expect(bytesOf(join(folder, 'log', 'segments'))).toEqual(segments);
    expect(sizeOf(folder)).toBeLessThan(others + OTHER_BYTES_MAX);
    console.log(`  ${early} of ${KILLS} killed before they were ready; a start takes ${Math.round(startMs)} ms`);
    expect(early).toBeGreaterThan(KILLS / 2);
  });
});

async function importSample(at: ServerProcess): Promise<void> {
  const sample = linesOf(readNdjson(SAMPLE));
  for (let copy = 0; copy < COPIES; copy++) {
    const answer = await fetch(`${at.httpUrl}/v1/import`, {
      method: 'POST',
      headers: { authorization: `Bearer ${at.token('service', 'importer')}`, 'content-type': 'application/x-ndjson' },
      body: toNdjson(renamed(sample, `copy-${copy}`)),
    });
    expect(answer.status).toBe(200);
    expect(await answer.text()).not.toContain('rejected');
  }
}

/** A digest of every message of the log. */
async function exportOf(at: ServerProcess): Promise<string> {
  const headers = { authorization: `Bearer ${at.token('auditor', 'auditor')}` };
  const answer = await fetch(`${at.httpUrl}/v1/export`, { headers });
  expect(answer.status).toBe(200);
  return createHash('sha256')
    .update(await answer.text())
    .digest('hex');
}

/** Each file with its digest. */
function bytesOf(folder: string): Record<string, string> {
  const digest = (name: string): string =>
    createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex');
  return Object.fromEntries(readdirSync(folder).map(name => [name, digest(name)]));
}

function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map(name => statSync(join(folder, name)))
    .reduce((sum, stats) => sum + (stats.isFile() ? stats.size : 0), 0);
}
