/** kill -9 at any instant of appending, truncating and scavenging: each segment is its old or its new self. */
import { rm } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { collect } from './events.ts';
import { crashed } from './log-folder.ts';

const KILLS = 12;
const RUN_MS_MAX = 300;

interface Told {
  /** Stream -> revision -> id. */
  readonly appended: Map<string, Map<bigint, string>>;
  /** Stream -> the highest truncation that was acknowledged, and that may have happened. */
  readonly truncated: Map<string, bigint>;
  readonly intended: Map<string, bigint>;
  dropped: number;
}

function take(told: Told, line: string): void {
  const [what, stream = '', number = '', id = ''] = line.split(' ');
  const raise = (map: Map<string, bigint>) => {
    const value = BigInt(number);
    if (value > (map.get(stream) ?? 0n)) map.set(stream, value);
  };
  if (what === 'intends') raise(told.intended);
  else if (what === 'truncated') raise(told.truncated);
  else if (what === 'scavenged') told.dropped += Number(stream);
  else if (what === 'appended') {
    if (!told.appended.has(stream)) told.appended.set(stream, new Map());
    told.appended.get(stream)?.set(BigInt(number), id);
  }
}

async function killedChild(directory: string, told: Told): Promise<void> {
  const args = ['--import', 'tsx', 'test/event-store/scavenging-child.ts', directory];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, errors] = ['', ''];
  const ready = new Promise<void>(resolve => {
    child.stdout.on('data', (data: Buffer) => {
      out += data.toString();
      if (out.includes('ready')) resolve();
    });
  });
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  const ended = once(child, 'close');
  await Promise.race([ready, ended]);
  await delay(Math.random() * RUN_MS_MAX);
  child.kill('SIGKILL');
  const [code] = (await ended) as [number | null];
  expect(errors).toBe('');
  expect(code).toBeNull();
  for (const line of out.slice(0, out.lastIndexOf('\n')).split('\n')) take(told, line);
}

async function verify(directory: string, told: Told): Promise<string[]> {
  const store = await openEmbeddedEventStore({ directory });
  const seen: string[] = [];
  try {
    const all = await collect(store.readAll());
    const positions = all.map(event => event.position);
    expect(positions).toEqual([...new Set(positions)].sort((a, b) => Number(a - b)));
    const inAll = new Map(all.map(event => [event.position, event.id]));
    for (const [stream, acknowledged] of told.appended) {
      const { first, head } = await store.streamBounds(stream);
      expect(first).toBeGreaterThanOrEqual(told.truncated.get(stream) ?? 0n);
      expect(first).toBeLessThanOrEqual(told.intended.get(stream) ?? 0n);
      const read = await collect(store.readStream(stream));
      expect(read.map(event => event.revision)).toEqual(read.map((_, i) => first + BigInt(i)));
      expect(BigInt(read.length)).toBe(head - first + 1n);
      const ids = new Map(read.map(event => [event.revision, event.id]));
      for (const [revision, id] of acknowledged) {
        expect(head).toBeGreaterThanOrEqual(revision);
        if (revision >= first) expect(ids.get(revision)).toBe(id);
      }
      for (const event of read) expect(inAll.get(event.position)).toBe(event.id);
      seen.push(...read.map(event => `${stream}@${event.revision} ${event.id} ${event.position}`), `${first} ${head}`);
    }
  } finally {
    await store.close();
  }
  return seen;
}

it(`${KILLS} kills while segments are replaced`, { timeout: 120_000 }, async () => {
  const directory = await tempFolder();
  const told: Told = { appended: new Map(), truncated: new Map(), intended: new Map(), dropped: 0 };
  for (let kill = 1; kill <= KILLS; kill++) {
    await killedChild(directory, told);
    if (kill % 4 !== 0) continue;
    const seen = await verify(directory, told);
    const copy = await crashed(directory);
    expect(await verify(copy, told)).toEqual(seen);
    await rm(join(copy), { recursive: true });
  }
  expect(told.dropped).toBeGreaterThan(KILLS);
});
