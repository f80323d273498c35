/** kill -9 at any instant: what was acknowledged is in the log, in order, once; what was not is whole or not there. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { bodyOf, collect } from './events.ts';
import { wholeLog } from './log-folder.ts';

const KILLS = 30;
const VERIFY_EVERY = 6;
/** How long a child runs at the most, after it is ready or after it was begun. */
const RUN_MS_MAX = 180;

/** One child, killed: what it said of its appends. `early`: perhaps before it has opened the log. */
async function killedChild(directory: string, round: number, early: boolean): Promise<string[]> {
  const args = ['--import', 'tsx', 'test/event-store/appending-child.ts', directory, String(round)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let errors = '';
  const ready = new Promise<void>(resolve => {
    child.stdout.on('data', (data: Buffer) => {
      out += data.toString();
      if (out.includes('ready')) resolve();
    });
  });
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  const ended = once(child, 'close');
  await Promise.race([ready, ended]);
  if (!early) await delay(Math.random() * RUN_MS_MAX);
  child.kill('SIGKILL');
  const [code] = (await ended) as [number | null];
  expect(errors).toBe('');
  expect(code).toBeNull();
  const lines = out.slice(0, out.lastIndexOf('\n')).split('\n');
  return lines.filter(line => line !== 'ready' && line !== '');
}

/** What the log holds against what was acknowledged. */
async function verify(directory: string, acknowledged: readonly string[]): Promise<number> {
  const store = await openEmbeddedEventStore({ directory });
  try {
    const names = await wholeLog(store);
    const places = new Map(names.map(name => name.split(' ').reverse() as [string, string]));
    expect(places.size).toBe(names.length);
    for (const line of acknowledged) {
      const [stream, last, ids = ''] = line.split(' ');
      const all = ids.split(',');
      const expected = all.map((_, at) => `${stream ?? ''}@${BigInt(last ?? '') - BigInt(all.length - 1 - at)}`);
      expect(all.map(id => places.get(id))).toEqual(expected);
    }
    let open: { append: string; next: number; size: number } | undefined;
    for (const event of await collect(store.readAll())) {
      const { append, at, size } = bodyOf(event) as { append: string; at: number; size: number };
      if (open) expect([append, at]).toEqual([open.append, open.next]);
      else expect(at).toBe(0);
      open = at + 1 < size ? { append, next: at + 1, size } : undefined;
    }
    expect(open).toBeUndefined();
    return names.length;
  } finally {
    await store.close();
  }
}

it(`${KILLS} kills, each at a random instant of opening or appending`, { timeout: 120_000 }, async () => {
  const directory = await tempFolder();
  const acknowledged: string[] = [];
  let events = 0;
  for (let round = 1; round <= KILLS; round++) {
    acknowledged.push(...(await killedChild(directory, round, round % 5 === 0)));
    // Between, the next child opens what the last one left: recovery is killed as well.
    if (round % VERIFY_EVERY === 0) events = await verify(directory, acknowledged);
  }
  expect(acknowledged.length).toBeGreaterThan(KILLS);
  expect(events).toBeGreaterThanOrEqual(acknowledged.length);
});
