/** `verbatim restore` into a folder that is somebody's. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockFolder } from '../../src/data-folder/lock.ts';
import { Workplace } from './support.ts';

let place: Workplace;
let [target, elsewhere] = ['', ''];
beforeEach(async () => {
  place = await Workplace.create();
  [target, elsewhere] = [join(place.directory, '..', 'backup'), join(place.directory, '..', 'restored')];
  const line = { id: 'm1', conversation: 'c', at: '2020-01-01T00:00:00Z', author: 'ann', role: 'visitor', text: 'hi' };
  expect(await place.run(['import', '-'], {}, `${JSON.stringify(line)}\n`)).toMatchObject({ code: 0 });
  expect(await place.run(['backup', target])).toMatchObject({ code: 0 });
});
afterEach(async () => {
  await place.clean();
});

const restore = () => place.run(['restore', target], { DATA_DIR: elsewhere });

it('waits for nobody and writes nothing where another restore is at work; afterwards it goes on', async () => {
  const lock = await lockFolder(elsewhere, { command: 'restore', onLost: () => undefined });
  const second = await restore();
  expect(second).toMatchObject({ code: 1 });
  expect(second.stderr).toMatch(/^verbatim: data-folder-in-use: [^\n]*`verbatim restore`[^\n]*\n$/);
  expect(await readdir(elsewhere)).toEqual(['lock']);
  await lock.release();
  expect(await restore()).toMatchObject({ code: 0 });
});

it('of two at once one makes the folder, and the other is refused', async () => {
  const [a, b] = await Promise.all([restore(), restore()]);
  expect([a.code, b.code].sort()).toEqual([0, 1]);
  const refused = a.code === 0 ? b : a;
  expect(refused.stderr).toMatch(/^verbatim: (data-folder-in-use|restore-target): [^\n]+\n$/);
  expect((await place.run(['check', '--sealed'], { DATA_DIR: elsewhere })).stdout).toContain('The log is whole');
});

it('puts not even a lock into a folder that holds other things', async () => {
  await mkdir(elsewhere);
  await writeFile(join(elsewhere, 'letter'), 'mine');
  const refused = await restore();
  expect(refused.stderr).toMatch(/^verbatim: restore-target: [^\n]+\n$/);
  expect(existsSync(join(elsewhere, 'lock'))).toBe(false);
});
