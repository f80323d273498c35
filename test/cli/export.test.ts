import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { byConversation, linesOf, marked, readNdjson, SAMPLE, toNdjson, WHOLE_FILE } from '../support/sample.ts';
import { importLines, Workplace } from './support.ts';

const MARK = 'zq7mark';

let place: Workplace;
beforeEach(async () => {
  place = await Workplace.create();
});
afterEach(async () => {
  await place.clean();
});

async function exported(args: readonly string[] = []): Promise<string> {
  const { code, stdout, stderr } = await place.run(['export', ...args]);
  expect(stderr).toMatch(/^\d+ messages of tenant [a-z]+\.\n$/);
  expect(code).toBe(0);
  return stdout;
}

async function importText(text: string, args: readonly string[] = []): Promise<void> {
  const { code, stdout } = await place.run(['import', '-', ...args], {}, text);
  expect(stdout).toContain(' 0 already there, 0 rejected');
  expect(code).toBe(0);
}

/** As parsed JSON, line for line inside each conversation. */
function expectEqual(export_: string, file: string): void {
  const [got, wanted] = [byConversation(linesOf(export_)), byConversation(linesOf(file))];
  expect(got.size).toBe(wanted.size);
  for (const [conversation, lines] of wanted) expect(got.get(conversation)).toEqual(lines);
  expect(wanted.size).toBeGreaterThan(0);
}

describe('an export', () => {
  it('is what was imported, of a folder and of a server, twice the same; a marked copy beside it stays with its tenant', async () => {
    const file = readNdjson(SAMPLE);
    const copy = toNdjson(marked(linesOf(file), MARK));
    await importText(file);
    await importText(copy, ['--tenant', 'acme']);
    const ofFolder = await exported();
    expectEqual(ofFolder, file);
    expect(ofFolder).not.toContain(MARK);

    const server = await place.serve();
    expect(await exported()).toBe(ofFolder);
    const ofOther = await exported(['--tenant', 'acme']);
    expectEqual(ofOther, copy);
    for (const line of ofOther.trimEnd().split('\n')) expect(line.split(MARK).length).toBeGreaterThan(4);
    // Each conversation is whole before the next one begins, in the order in which they began.
    const conversations = linesOf(ofFolder).map(({ conversation }) => conversation);
    const runs = conversations.filter((conversation, i) => conversation !== conversations[i - 1]);
    expect(runs).toEqual([...new Set(linesOf(file).map(({ conversation }) => conversation))]);
    expect(await exported(['--tenant', 'nobody'])).toBe('');
    await server.stop('SIGTERM');

    // What it wrote is a file that an import takes; here it is all there.
    const again = await place.run(['import', '-'], {}, ofFolder);
    expect(again.stdout).toContain(`0 imported, ${linesOf(file).length} already there, 0 rejected`);
  });

  it('takes one conversation, and a period that begins with its first instant and ends before its last', async () => {
    await importText(importLines('c1', 5) + importLines('c2', 3));
    expectEqual(await exported(['--conversation', 'c2']), importLines('c2', 3));
    const period = ['--from', '2020-01-01T00:00:01Z', '--to', '2020-01-01T01:00:03+01:00'];
    const ids = linesOf(await exported(period)).map(({ id }) => id);
    expect(ids).toEqual(['c1.1', 'c1.2', 'c2.1', 'c2.2']);
    expect(linesOf(await exported(['--conversation', 'c1', '--from', '2020-01-02']))).toEqual([]);
  });

  it('of a conversation that is not there, or with a word that is no time or id, says so in one line and writes nothing', async () => {
    await importText(importLines('c1', 1));
    const expectRefusal = async (args: string[], code: number, said: RegExp) => {
      const ended = await place.run(['export', ...args]);
      expect(ended).toMatchObject({ code, stdout: '' });
      expect(ended.stderr).toMatch(said);
      expect(ended.stderr.trimEnd().split('\n')).toHaveLength(1);
    };
    const unknown = /^verbatim: unknown-room: .*no such conversation/;
    await expectRefusal(['--conversation', 'c2'], 1, unknown);
    await expectRefusal(['--conversation', 'c/1'], 2, /^verbatim: usage: --conversation/);
    await expectRefusal(['--from', 'yesterday'], 2, /^verbatim: usage: --from is "yesterday"/);
    await expectRefusal(['--from', '2020-01-02', '--to', '2020-01-01'], 2, /^verbatim: usage: --to is before --from/);
    await place.serve();
    await expectRefusal(['--conversation', 'c2'], 1, unknown);
  });
});

describe.skipIf(WHOLE_FILE === undefined)('an export of the whole corpus (SUPPORT_DATA)', () => {
  it('is what was imported', { timeout: 120_000 }, async () => {
    const file = readNdjson(WHOLE_FILE ?? '');
    await importText(file);
    expectEqual(await exported(), file);
  });
});
