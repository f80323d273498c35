import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { importLines, Workplace } from './support.ts';

let place: Workplace;
beforeEach(async () => {
  place = await Workplace.create();
});
afterEach(async () => {
  await place.clean();
});

const erase = (subject: string, ...more: string[]) =>
  place.run(['erase', '--subject', subject, '--by', 'officer-3', '--reason', 'asked to', ...more]);

describe('verbatim erase', () => {
  it('erases in a folder that nobody has, and in the server that has it; again says so', async () => {
    const file = join(place.directory, '..', 'chats.ndjson');
    await writeFile(file, importLines('c1', 3));
    await place.run(['import', file]);
    // Without a visitor, what is said belongs to the conversation itself.
    const erased = await erase('c1');
    expect(erased).toMatchObject({ code: 0, stderr: '' });
    expect(erased.stdout).toMatch(/^c1 of tenant default is erased\.\nPosition: \d+\n$/);
    const server = await place.serve();
    expect((await erase('c1')).stdout).toContain('was erased before');
    expect((await erase('c2')).stdout).toMatch(
      /^c2 of tenant default is erased, but nothing personal had been kept for it: is it the right id\?\nPosition: \d+\n$/,
    );
    const token = (await place.run(['token', '--role', 'agent', '--sub', 'ada'])).stdout.trim();
    const history = await fetch(`${server.http}/v1/conversations/c1/events?before=99`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const { events } = (await history.json()) as { events: { type: string; data: { text?: unknown } }[] };
    const texts = events.filter(({ type }) => type === 'MessagePosted').map(({ data }) => data.text);
    expect(texts).toEqual([null, null, null]);
    const position = /Position: (\d+)/.exec(erased.stdout)?.[1] ?? '';
    const shown = await fetch(`${server.http}/v1/conversations/c1/messages?minPosition=${position}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(((await shown.json()) as { messages: { text: unknown }[] }).messages.map(({ text }) => text)).toEqual(texts);
    await server.stop('SIGTERM');
    expect((await place.run(['import', file])).stdout).toContain('0 imported, 3 already there, 0 rejected');
  });

  it('says what is wrong with what it was asked', async () => {
    expect(await erase('')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--subject') as string,
    });
    const nobody = ['erase', '--subject', 'ann', '--reason', 'asked to'];
    expect(await place.run(nobody)).toMatchObject({ code: 2, stderr: expect.stringContaining('--by') as string });
    const unreachable = await erase('ann', '--url', 'http://127.0.0.1:9');
    expect(unreachable).toMatchObject({ code: 1, stderr: expect.stringContaining('no-secret') as string });
  });
});
