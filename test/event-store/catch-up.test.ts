/** An index a million events behind its log is brought up in chunks, in bounded memory, and says how far it is. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { newEvent } from './events.ts';

const EVENTS = 1_000_000;
const STREAMS = 500;
/** The heap a child may have: far less than a million of anything. */
const HEAP_MB_MAX = 64;
/** What opening may add to a process: read buffers, the young heap, and the pages of the index it writes. */
const GROWTH_BYTES_MAX = 140 * 1024 * 1024;

interface Line {
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  readonly openMs: number;
  readonly grownBytes: number;
  readonly heads: number[];
  readonly readable: number;
}

async function child(...args: string[]): Promise<{ lines: Line[]; code: number | null }> {
  const flags = [`--max-old-space-size=${HEAP_MB_MAX}`, '--import', 'tsx', 'test/event-store/catch-up-child.ts'];
  const process_ = spawn(process.execPath, [...flags, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  process_.stdout.on('data', (data: Buffer) => (out += data.toString()));
  const [code] = (await once(process_, 'close')) as [number | null];
  const lines = out.split('\n').filter(line => line !== '');
  return { lines: lines.map(line => JSON.parse(line) as Line), code };
}

function expectProgress(lines: readonly Line[], phase: string): void {
  const steps = lines.slice(0, -1);
  expect(steps.length).toBeGreaterThan(20);
  for (const [i, step] of steps.entries()) {
    expect(step.phase).toBe(phase);
    expect(step.done).toBeGreaterThan(steps[i - 1]?.done ?? 0);
  }
  expect(steps.at(-1)?.done).toBe(steps.at(-1)?.total);
}

it('a million events behind, and then gone altogether', { timeout: 120_000 }, async () => {
  const directory = await tempFolder();
  // An index that has seen the beginning of the log: it is to be caught up, not built again.
  const begun = await openEmbeddedEventStore({ directory });
  await begun.append('first', [newEvent()], { expectedRevision: 'no-stream' });
  await begun.close();
  expect((await child('write', directory, String(EVENTS))).code).toBeNull();

  for (const phase of ['index-catch-up', 'index-rebuild']) {
    const { lines, code } = await child('open', directory);
    expect(code).toBe(0);
    expectProgress(lines, phase);
    const opened = lines.at(-1);
    expect(opened?.heads).toEqual(Array.from({ length: STREAMS }, () => EVENTS / STREAMS - 1));
    expect(opened?.readable).toBe(EVENTS / STREAMS);
    expect(opened?.grownBytes).toBeLessThan(GROWTH_BYTES_MAX);
    await rm(join(directory, 'index'), { recursive: true });
  }
});
