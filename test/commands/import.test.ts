import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createConversationCommands } from '../../src/commands/conversation-commands.ts';
import type { ConversationCommands } from '../../src/commands/commands.ts';
import { createImporter } from '../../src/commands/import.ts';
import type { ImportResult } from '../../src/commands/import.ts';
import type { NumberedLine } from '../../src/commands/import-lines.ts';
import { RequestError, UnavailableError } from '../../src/errors.ts';
import { MemoryEventStore } from '../support/memory-event-store.ts';
import { keys, readAll, serializer } from './handler-specification.ts';

const AT = '2010-01-02T03:04:05.000Z';
const line = (id: string, more: object = {}) => ({
  id,
  conversation: 'one',
  at: AT,
  author: 'Ann',
  role: 'visitor',
  text: `text of ${id}`,
  ...more,
});

async function* numbered(lines: Iterable<unknown>): AsyncGenerator<NumberedLine> {
  let number = 0;
  for (const line of lines) {
    number += 1;
    yield await Promise.resolve({ number, line: typeof line === 'string' ? line : JSON.stringify(line) });
  }
}

const commandsOn = (store: MemoryEventStore) =>
  createConversationCommands({ store, serializer, keys, clock: { now: () => Date.UTC(2026, 0, 1) } });

const importer = (commands: ConversationCommands, waits: number[] = [], told: string[] = []) =>
  createImporter({
    ...{ commands, keys, random: () => 1, delay: ms => Promise.resolve(waits.push(ms)) },
    onError: error => told.push((error as Error).message),
  });

async function run(
  commands: ConversationCommands,
  lines: Iterable<unknown>,
  windowLines = 10,
): Promise<ImportResult[]> {
  return collect(importer(commands).run(numbered(lines), { tenant: 'acme', by: 'importer', windowLines }));
}

async function collect(results: AsyncIterable<ImportResult>): Promise<ImportResult[]> {
  const all: ImportResult[] = [];
  for await (const result of results) all.push(result);
  return all;
}

async function history(store: MemoryEventStore, conversation = 'one') {
  return serializer.open(await readAll(store, `conversation-acme.${conversation}`));
}

describe('An import', () => {
  it('takes a line up to 24 h ahead of the clock, and refuses what is further ahead, by its field', async () => {
    const store = new MemoryEventStore();
    const ahead = Date.UTC(2026, 0, 2);
    const results = await run(commandsOn(store), [
      line('far', { at: new Date(ahead + 1).toISOString() }),
      line('near', { at: new Date(ahead).toISOString() }),
      line('far again', { id: 'far-again', at: '9999-01-01T00:00:00Z' }),
    ]);
    const far = { status: 'rejected', code: 'bad-request', path: 'at' };
    expect(results).toMatchObject([far, { status: 'imported', id: 'near' }, far]);
    expect((await history(store)).map(({ event }) => event.type)).toEqual(['ConversationStarted', 'MessagePosted']);
  });

  it('starts a conversation for the visitor who opens it, and posts its lines in their words, times and order', async () => {
    const store = new MemoryEventStore();
    const text = 'bell \u0007, 😀, <b>mark-up</b>\u2028 and "quotes"';
    const results = await run(commandsOn(store), [
      line('l1', { text }),
      line('l2', { author: 'Bob', role: 'agent', replyTo: 'l1', at: '2010-01-02T04:04:05+01:00', text: '' }),
      line('l3', { replyTo: 'another-file.1', at: '2010-01-02T03:04:06Z' }),
    ]);
    expect(results).toEqual([
      { line: 1, status: 'imported', id: 'l1', conversation: 'one' },
      { line: 2, status: 'imported', id: 'l2', conversation: 'one' },
      { line: 3, status: 'imported', id: 'l3', conversation: 'one' },
    ]);
    const events = await history(store);
    const [ann, bob] = [keys.authorId('acme', 'Ann'), keys.authorId('acme', 'Bob')];
    expect(events.map(({ event }) => event)).toEqual([
      { type: 'ConversationStarted', data: { channel: 'import', visitor: ann } },
      {
        type: 'MessagePosted',
        data: { seq: 0, text, format: 'plain', attachments: [], source: { id: 'l1', author: 'Ann' } },
      },
      {
        type: 'MessagePosted',
        data: {
          ...{ seq: 1, text: '', format: 'plain', attachments: [], replyTo: 0 },
          source: { id: 'l2', author: 'Bob', replyTo: 'l1' },
        },
      },
      {
        type: 'MessagePosted',
        data: {
          ...{ seq: 2, text: 'text of l3', format: 'plain', attachments: [] },
          source: { id: 'l3', author: 'Ann', replyTo: 'another-file.1' },
        },
      },
    ]);
    expect(events.map(({ commandId }) => commandId)).toEqual(['start.one', 'l1', 'l2', 'l3']);
    expect(events.map(({ actor }) => actor)).toEqual(
      [ann, ann, bob, ann].map((id, i) => ({ id, role: i === 2 ? 'agent' : 'visitor' })),
    );
    expect(events.map(({ at }) => new Date(at).toISOString())).toEqual([AT, AT, AT, '2010-01-02T03:04:06.000Z']);
    expect(events.every(({ origin }) => origin === 'import')).toBe(true);
  });

  it('starts a conversation for nobody where a bot or an agent opens it', async () => {
    const store = new MemoryEventStore();
    await run(commandsOn(store), [line('l1', { role: 'bot' }), line('l2')]);
    expect((await history(store))[0]?.event).toEqual({ type: 'ConversationStarted', data: { channel: 'import' } });
  });

  it('takes a conversation that another import starts in between, with another line first', async () => {
    const store = new MemoryEventStore();
    const commands = commandsOn(store);
    let loads = 0;
    const raced: ConversationCommands = {
      ...{ handle: request => commands.handle(request) },
      load: async (tenant, id) => {
        const seen = { ...(await commands.load(tenant, id)) };
        loads += 1;
        if (loads === 1) await run(commands, [line('l1')]);
        return loads === 1 ? { ...seen, state: { ...seen.state, status: 'not-started' } } : seen;
      },
    };
    const results = await run(raced, [line('l2', { author: 'Bob', role: 'agent' })]);
    expect(results).toEqual([{ line: 1, status: 'imported', id: 'l2', conversation: 'one' }]);
    expect((await history(store)).map(({ event }) => event.type)).toEqual([
      'ConversationStarted',
      'MessagePosted',
      'MessagePosted',
    ]);
  });

  it('appends nothing the second time, on a fresh node too, and names no person in the open', async () => {
    const store = new MemoryEventStore();
    const lines = [line('l1'), line('l2'), line('l1', { conversation: 'two' }), line('l2')];
    expect((await run(commandsOn(store), lines)).map(({ status }) => status)).toEqual([
      ...['imported', 'imported', 'imported', 'duplicate'],
    ]);
    const again = await run(commandsOn(store), lines);
    expect(again.map(({ status }) => status)).toEqual(Array<string>(4).fill('duplicate'));
    const events = [
      ...(await readAll(store, 'conversation-acme.one')),
      ...(await readAll(store, 'conversation-acme.two')),
    ];
    expect(events).toHaveLength(5);
    expect(events.map(({ metadata }) => Buffer.from(metadata).toString()).join()).not.toContain('Ann');
  });

  it('takes a conversation whose id leaves no room for a prefix', async () => {
    const store = new MemoryEventStore();
    const conversation = 'c'.repeat(128);
    const results = await run(commandsOn(store), [line('l1', { conversation }), line('l2', { conversation })]);
    expect(results.map(({ status }) => status)).toEqual(['imported', 'imported']);
    expect(await history(store, conversation)).toHaveLength(3);
  });

  it('answers each bad line with field and reason, quotes none, and goes on', async () => {
    const store = new MemoryEventStore();
    const lines = [
      '{"id": "secret words',
      '[]',
      '',
      '   ',
      line('l1', { at: 'yesterday' }),
      line('l 2'),
      line('l3', { text: undefined }),
      line('l4', { text: 'x'.repeat(10_001) }),
      line('l5', { role: 'admin' }),
      '{"id":"l6","conversation":"one","at":"2010-01-01T00:00:00Z","author":"A","role":"bot","text":"\\ud800"}',
      line('l7'),
      line('l8', { at: '2009-01-01T00:00:00Z' }),
      line('l7', { text: 'changed' }),
      line('l9'),
    ];
    const results = await run(commandsOn(store), lines);
    expect(results.map(r => [r.line, r.status, r.id, r.code, r.reason ?? r.path])).toEqual([
      [1, 'rejected', undefined, 'bad-request', undefined],
      [2, 'rejected', undefined, 'bad-request', ''],
      [5, 'rejected', 'l1', 'bad-request', 'at'],
      [6, 'rejected', undefined, 'bad-request', 'id'],
      [7, 'rejected', 'l3', 'bad-request', 'text'],
      [8, 'rejected', 'l4', 'bad-request', 'text'],
      [9, 'rejected', 'l5', 'bad-request', 'role'],
      [10, 'rejected', 'l6', 'bad-request', 'text'],
      [11, 'imported', 'l7', undefined, undefined],
      [12, 'rejected', 'l8', 'rejected', 'out-of-order'],
      [13, 'rejected', 'l7', 'idempotency-mismatch', undefined],
      [14, 'imported', 'l9', undefined, undefined],
    ]);
    expect(JSON.stringify(results)).not.toContain('secret words');
    expect(await history(store)).toHaveLength(3);
  });

  it('tells of lines that could not be read at all', async () => {
    async function* unreadable(): AsyncGenerator<NumberedLine> {
      yield await Promise.resolve({ number: 1, line: undefined, problem: 'too-large' });
      yield { number: 2, line: undefined, problem: 'not-utf-8' };
    }
    const commands = commandsOn(new MemoryEventStore());
    const run = importer(commands).run(unreadable(), { tenant: 'acme', by: 'importer', windowLines: 2 });
    expect((await collect(run)).map(({ line, code }) => [line, code])).toEqual([
      [1, 'too-large'],
      [2, 'bad-request'],
    ]);
  });

  it('keeps lines of a conversation in order and the answers in the order of the lines, whatever the window', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(4), { maxLength: 60 }),
        fc.integer({ min: 1, max: 20 }),
        async (conversations, windowLines) => {
          const store = new MemoryEventStore();
          const lines = conversations.map((c, i) => line(`l${i}`, { conversation: `c${c}` }));
          const results = await run(commandsOn(store), lines, windowLines);
          expect(results.map(({ line, status }) => [line, status])).toEqual(lines.map((_, i) => [i + 1, 'imported']));
          for (const c of new Set(conversations)) {
            const expected = lines.filter(({ conversation }) => conversation === `c${c}`).map(({ text }) => text);
            const texts = (await history(store, `c${c}`)).flatMap(({ event }) =>
              event.type === 'MessagePosted' ? [event.data.text] : [],
            );
            expect(texts).toEqual(expected);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('reads no further than its window ahead of the answers taken', async () => {
    const commands = commandsOn(new MemoryEventStore());
    let read = 0;
    function* lines() {
      for (; read < 1_000; read += 1) yield line(`l${read}`, { conversation: `c${read}` });
    }
    const results = importer(commands).run(numbered(lines()), { tenant: 'acme', by: 'importer', windowLines: 10 });
    for (let taken = 1; taken <= 50; taken += 1) {
      await results.next();
      expect(read).toBeLessThanOrEqual(taken + 10 + 1);
    }
    await results.return(undefined);
    expect(read).toBeLessThan(70);
    expect(commands.stats().inFlight).toBe(0);
  });

  it('answers a line before the next one has come', async () => {
    let come: (line: NumberedLine) => void = () => undefined;
    async function* slow(): AsyncGenerator<NumberedLine> {
      yield await Promise.resolve({ number: 1, line: JSON.stringify(line('l1')) });
      yield await new Promise<NumberedLine>(resolve => (come = resolve));
    }
    const commands = commandsOn(new MemoryEventStore());
    const results = importer(commands).run(slow(), { tenant: 'acme', by: 'importer', windowLines: 10 });
    expect((await results.next()).value).toMatchObject({ line: 1, status: 'imported' });
    const second = results.next();
    come({ number: 2, line: JSON.stringify(line('l2')) });
    expect((await second).value).toMatchObject({ line: 2, status: 'imported' });
    expect((await results.next()).done).toBe(true);
  });

  it('ends with what reading the lines ended with, once everything read is answered', async () => {
    async function* cut(): AsyncGenerator<NumberedLine> {
      yield await Promise.resolve({ number: 1, line: JSON.stringify(line('l1')) });
      throw new Error('the file was cut');
    }
    const commands = commandsOn(new MemoryEventStore());
    const results = importer(commands).run(cut(), { tenant: 'acme', by: 'importer', windowLines: 10 });
    expect((await results.next()).value).toMatchObject({ line: 1, status: 'imported' });
    await expect(results.next()).rejects.toThrow('the file was cut');
  });
});

describe('An import whose store is away', () => {
  /** Refuses the commands of one line so many times. */
  function refusing(commandId: string, times: number, error: Error) {
    const store = new MemoryEventStore();
    const commands = commandsOn(store);
    let left = times;
    const handle: ConversationCommands['handle'] = request =>
      request.commandId === commandId && left-- > 0 ? Promise.reject(error) : commands.handle(request);
    const refusing: ConversationCommands = { handle, load: (tenant, id) => commands.load(tenant, id) };
    return { store, commands, refusing };
  }
  const away = new UnavailableError('the store is away');
  const as = { tenant: 'acme', by: 'importer', windowLines: 3 };
  const lines = [1, 2, 3, 4, 5, 6, 7, 8].map(n => line(`l${n}`, { conversation: `c${n % 2}` }));

  it('waits longer and longer, and goes on when it is back', async () => {
    const waits: number[] = [];
    const { refusing: commands } = refusing('l3', 6, away);
    const results = await collect(importer(commands, waits).run(numbered(lines), as));
    expect(results.map(({ status }) => status)).toEqual(Array<string>(8).fill('imported'));
    expect(waits).toEqual([200, 400, 800, 1_600, 3_200, 6_400]);
  });

  it('waits for room in a full queue in the same way, and for nothing that cannot come right', async () => {
    const full = refusing('l3', 2, new RequestError('rate-limited', 'full'));
    const waits: number[] = [];
    const results = await collect(importer(full.refusing, waits).run(numbered(lines), as));
    expect(results.map(({ status }) => status)).toEqual(Array<string>(8).fill('imported'));
    expect(waits).toHaveLength(2);
    const broken = refusing('l3', 1, new Error('a broken stream'));
    const told: string[] = [];
    const answers = await collect(importer(broken.refusing, waits, told).run(numbered(lines), as));
    expect(answers[2]).toMatchObject({ status: 'rejected', code: 'internal' });
    expect(JSON.stringify(answers)).not.toContain('a broken stream');
    expect(told).toEqual(['a broken stream']);
    expect(answers.filter(({ status }) => status === 'imported')).toHaveLength(7);
    expect(waits).toHaveLength(2);
  });

  it('stops with the line that cannot be imported, and a second run does the rest', async () => {
    const { refusing: commands, commands: healthy, store } = refusing('l3', 7, away);
    const results = importer(commands).run(numbered(lines), as);
    expect((await results.next()).value).toMatchObject({ line: 1, status: 'imported' });
    expect((await results.next()).value).toMatchObject({ line: 2, status: 'imported' });
    expect((await results.next()).value).toMatchObject({ line: 3, status: 'rejected', code: 'unavailable' });
    await expect(results.next()).rejects.toThrow(UnavailableError);
    expect((await results.next()).done).toBe(true);
    const again = await run(healthy, lines);
    expect(again.slice(0, 3).map(({ status }) => status)).toEqual(['duplicate', 'duplicate', 'imported']);
    expect((await history(store, 'c0')).map(({ commandId }) => commandId)).toEqual([
      'start.c0',
      'l2',
      'l4',
      'l6',
      'l8',
    ]);
    expect((await history(store, 'c1')).map(({ commandId }) => commandId)).toEqual([
      'start.c1',
      'l1',
      'l3',
      'l5',
      'l7',
    ]);
  });
});
