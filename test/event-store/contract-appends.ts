import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { WrongExpectedRevisionError } from '../../src/event-store/errors.ts';
import { bodyOf, collect, failure, newEvent, newEvents, newStream, range, revisions } from './events.ts';
import type { ContractContext } from './contract.ts';
import type { AppendResult, ExpectedRevision } from '../../src/event-store/event-store.ts';

export function appendContract({ store, factory }: ContractContext): void {
  const append = (stream: string, events = newEvents(1), expectedRevision: ExpectedRevision = 'any') =>
    store().append(stream, events, { expectedRevision });

  describe('expected revisions', () => {
    it.for<[ExpectedRevision, boolean]>([
      ['no-stream', true],
      ['any', true],
      ['stream-exists', false],
      [0n, false],
      [7n, false],
    ])('on a stream without events, %s: %s', async ([expected, accepted]) => {
      const stream = newStream();
      if (accepted) expect((await append(stream, newEvents(1), expected)).revision).toBe(0n);
      else {
        const error = await failure(append(stream, newEvents(1), expected));
        expect(error).toBeInstanceOf(WrongExpectedRevisionError);
        expect(error).toMatchObject({ stream, expected, actual: -1n });
      }
    });

    it.for<[ExpectedRevision, boolean]>([
      [1n, true],
      ['any', true],
      ['stream-exists', true],
      ['no-stream', false],
      [0n, false],
      [2n, false],
      [2n ** 60n, false],
    ])('on a stream at revision 1, %s: %s', async ([expected, accepted]) => {
      const stream = newStream();
      await append(stream, newEvents(2), 'no-stream');
      if (accepted) expect((await append(stream, newEvents(1), expected)).revision).toBe(2n);
      else {
        const error = await failure(append(stream, newEvents(1), expected));
        expect(error).toBeInstanceOf(WrongExpectedRevisionError);
        expect(error).toMatchObject({ stream, expected, actual: 1n });
        expect(await revisions(store(), stream)).toEqual([0n, 1n]);
      }
    });

    it('of 50 writers with the same one, exactly one wins each revision', async () => {
      const stream = newStream();
      for (let head = -1n; head < 4n; head++) {
        const expectedRevision = head < 0n ? 'no-stream' : head;
        const answers = await Promise.allSettled(
          Array.from({ length: 50 }, (_, writer) => append(stream, [newEvent(writer)], expectedRevision)),
        );
        const won = answers.filter(answer => answer.status === 'fulfilled');
        expect(won.map(answer => answer.value.revision)).toEqual([head + 1n]);
        for (const answer of answers) {
          if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ stream, actual: head + 1n });
        }
      }
      expect(await revisions(store(), stream)).toEqual(range(0, 5));
    });

    it('any: 50 writers all land, once each, at the revision they were told', async () => {
      const stream = newStream();
      const answers = await Promise.all(Array.from({ length: 50 }, (_, writer) => append(stream, [newEvent(writer)])));
      const events = await collect(store().readStream(stream));
      expect(events.map(event => event.revision)).toEqual(range(0, 50));
      answers.forEach(({ revision, position }, writer) => {
        const event = events[Number(revision)];
        expect(event && bodyOf(event)).toBe(writer);
        expect(event?.position).toBe(position);
      });
    });
  });

  describe('an append of many events', () => {
    it('lands whole, in order, at successive revisions, and answers its last event', async () => {
      const stream = newStream();
      await append(stream, newEvents(3), 'no-stream');
      const result = await append(stream, newEvents(100), 2n);
      const events = await collect(store().readStream(stream));
      expect(events.map(event => event.revision)).toEqual(range(0, 103));
      expect(events.slice(3).map(bodyOf)).toEqual(Array.from({ length: 100 }, (_, i) => i));
      expect(result).toEqual({ revision: 102n, position: events.at(-1)?.position });
    });

    it('lands not at all when its expected revision is wrong', async () => {
      const stream = newStream();
      await append(stream, newEvents(1));
      await expect(append(stream, newEvents(10), 'no-stream')).rejects.toThrow(WrongExpectedRevisionError);
      expect(await revisions(store(), stream)).toEqual([0n]);
    });

    it('is never seen in part by a reader beside it', async () => {
      const stream = newStream();
      await append(stream, newEvents(10));
      let writing = true;
      const writer = (async () => {
        for (let i = 0; i < 30; i++) await append(stream, newEvents(10));
        writing = false;
      })();
      const lengths: number[] = [];
      while (writing) {
        lengths.push((await revisions(store(), stream)).length);
        await nextTurn(); // What a read finds in memory it brings without waiting for anything else.
      }
      await writer;
      expect(lengths.length).toBeGreaterThan(0);
      expect(lengths.filter(length => length % 10 !== 0)).toEqual([]);
    });
  });

  it('keeps what it was given, byte for byte', async () => {
    const stream = newStream('tésted·流');
    const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const given = [
      newEvent({ text: 'a\u0000b\u2028 🎈' }, { type: 'Tësted🎈', metadata: Buffer.from('{"who":"me"}') }),
      newEvent(0, { data: binary, metadata: binary, contentType: 'application/octet-stream' }),
      newEvent(0, { data: Buffer.alloc(0) }),
    ];
    const before = Date.now() - 60_000;
    await append(stream, given);
    const read = await collect(store().readStream(stream));
    expect(read.map(event => [event.stream, event.id, event.type, event.contentType])).toEqual(
      given.map(event => [stream, event.id, event.type, event.contentType]),
    );
    expect(read.map(event => Buffer.from(event.data))).toEqual(given.map(event => event.data));
    expect(read.map(event => Buffer.from(event.metadata))).toEqual(given.map(event => event.metadata));
    for (const event of read) expect(event.createdMs).toBeGreaterThan(before);
  });

  it('an append of no events checks the revision and changes nothing', async () => {
    const stream = newStream();
    expect(await append(stream, [], 'no-stream')).toEqual({ revision: -1n, position: undefined });
    await expect(append(stream, [], 'stream-exists')).rejects.toThrow(WrongExpectedRevisionError);
    await expect(append(stream, [], 0n)).rejects.toThrow(WrongExpectedRevisionError);
    const first = await append(stream);
    expect(await append(stream, [], 0n)).toEqual(first);
    expect(await append(stream, [], 'stream-exists')).toEqual(first);
    await expect(append(stream, [], 'no-stream')).rejects.toThrow(WrongExpectedRevisionError);
    expect(await revisions(store(), stream)).toEqual([0n]);
  });

  describe('a recognised repeat', () => {
    it.for<[string, ExpectedRevision]>([
      ['no stream', 'no-stream'],
      ['any', 'any'],
    ])('of the first append, with %s, answers what the first was answered', async ([, expected]) => {
      const stream = newStream();
      const events = newEvents(3);
      const first = await append(stream, events, expected);
      await append(stream);
      expect(await append(stream, events, expected)).toEqual(first);
      expect(await revisions(store(), stream)).toEqual(range(0, 4));
    });

    it('of a later append, with its exact revision, answers what the first was answered', async () => {
      const stream = newStream();
      await append(stream, newEvents(2));
      const events = newEvents(3);
      const first = await append(stream, events, 1n);
      await append(stream, newEvents(4));
      expect(await append(stream, events, 1n)).toEqual(first);
      expect(await append(stream, events.slice(0, 2), 1n)).toMatchObject({ revision: 3n });
    });

    it('that comes while the first is on its way answers the same', async () => {
      const stream = newStream();
      const events = newEvents(2);
      const answers = await Promise.all(Array.from({ length: 10 }, () => append(stream, events, 'any')));
      expect(new Set(answers.map(answer => answer.revision))).toEqual(new Set([1n]));
      expect(new Set(answers.map(answer => answer.position)).size).toBe(1);
      expect(await revisions(store(), stream)).toEqual([0n, 1n]);
    });

    it('in part only is a conflict, whichever part is new', async () => {
      const stream = newStream();
      const [a, b, c] = [newEvent('a'), newEvent('b'), newEvent('c')];
      await append(stream, [a, b]);
      await expect(append(stream, [a, c], 'any')).rejects.toThrow(WrongExpectedRevisionError);
      await expect(append(stream, [a, c], 'no-stream')).rejects.toThrow(WrongExpectedRevisionError);
      await expect(append(stream, [c, b], 'no-stream')).rejects.toThrow(WrongExpectedRevisionError);
      await expect(append(stream, [a, b, c], 'no-stream')).rejects.toThrow(WrongExpectedRevisionError);
      await expect(append(stream, [b, c], 0n)).rejects.toThrow(WrongExpectedRevisionError);
      expect(await revisions(store(), stream)).toEqual([0n, 1n]);
    });

    it('is none in another stream, nor with an exact current revision, nor inside one append', async () => {
      const event = newEvent();
      const [here, there] = [newStream(), newStream()];
      await append(here, [event]);
      expect((await append(there, [event])).revision).toBe(0n);
      expect((await append(here, [event], 0n)).revision).toBe(1n);
      const twice = newEvent();
      expect((await append(newStream(), [twice, twice])).revision).toBe(1n);
    });

    it('is recognised after the log was opened again', async ({ skip }) => {
      const { store: before, reopen } = await factory();
      if (!reopen) {
        await before.close();
        return skip('nothing survives here');
      }
      const stream = newStream();
      const events = newEvents(3);
      const answers: AppendResult[] = [];
      answers.push(await before.append(stream, events, { expectedRevision: 'no-stream' }));
      const after = await reopen();
      for (const expectedRevision of ['no-stream', 'any', 'stream-exists'] as const) {
        answers.push(await after.append(stream, events, { expectedRevision }));
      }
      expect(new Set(answers.map(answer => `${answer.revision} ${String(answer.position)}`)).size).toBe(1);
      expect(await revisions(after, stream)).toEqual(range(0, 3));
      await after.close();
    });
  });

  it('appends to one stream land in the order of the calls', async () => {
    const stream = newStream();
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => append(stream, [newEvent(i)])));
    expect(answers.map(answer => answer.revision)).toEqual(range(0, 200));
  });
}
