import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { messagesProjection } from '../../src/projections/messages/projection.ts';
import { transcript } from '../../src/projections/messages/transcript-query.ts';
import type {
  Transcript,
  TranscriptRange,
  TranscriptRequest,
} from '../../src/projections/messages/transcript-query.ts';
import type { BucketMessage, MessageBucket } from '../../src/projections/messages/message-buckets.ts';
import type { Generation, IndexWalk } from '../../src/read-store/read-store.ts';
import { FilledReadStore } from '../support/filled-read-store.ts';
import { MemoryReadStore } from '../support/memory-read-store.ts';
import { BEGIN_MS, by, happened, historyOf, TENANT } from '../support/projected-events.ts';
import type { Happened } from '../support/projected-events.ts';

/** Gaps of revisions and time before each message: what happens between them is no message. */
async function conversationOf(gaps: readonly { readonly events: number; readonly ms: number }[], text = 'words') {
  const happenings: Happened[] = [
    happened('ConversationStarted', { channel: 'web', visitor: 'vera' }, by('service'), iso(0)),
  ];
  let ms = 0;
  gaps.forEach((gap, seq) => {
    ms += gap.ms;
    for (let i = 0; i < gap.events; i++)
      happenings.push(happened('NoteAdded', { seq: i, text: 'a note' }, by('agent'), iso(ms)));
    const data = { seq, text: `${text} ${seq}`, format: 'plain', attachments: [] } as const;
    happenings.push(happened('MessagePosted', data, by('visitor', 'vera'), iso(ms)));
  });
  const filled = new FilledReadStore(new MemoryReadStore(), 'log');
  await filled.fold(historyOf(happenings));
  const walks: IndexWalk[] = [];
  const generation = await filled.of(messagesProjection);
  const watched: Pick<Generation, 'walk'> = {
    walk: walk => {
      walks.push(walk);
      return generation.walk(walk);
    },
  };
  const page = await generation.page<MessageBucket>('message_buckets', { after: undefined, limit: 1_000 });
  const ask = (request: Partial<TranscriptRequest> = {}): Promise<Transcript> =>
    transcript(watched, { tenant: TENANT, conversation: '1', range: { by: 'seq' }, limit: 100, ...request });
  return { ask, walks, generation, messages: page.flatMap(({ messages }) => messages) };
}

const iso = (ms: number): string => new Date(BEGIN_MS + ms).toISOString();
const seqs = ({ messages }: Pick<Transcript, 'messages'>): number[] => messages.map(({ seq }) => seq);
const steady = (count: number) => Array.from({ length: count }, () => ({ events: 1, ms: 1_000 }));
const between = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

const gap = fc.record({ events: fc.nat(2), ms: fc.constantFrom(0, 0, 1, 1_000) });

/** By the book. */
function inRange(messages: readonly BucketMessage[], range: TranscriptRange): BucketMessage[] {
  return messages.filter(message => {
    const value = message[range.by];
    const { from, to } = range;
    const isBehind = range.by === 'at' ? value >= (to ?? '~') : value > (to ?? Infinity);
    return !isBehind && value >= (from ?? (range.by === 'at' ? '' : -1));
  });
}

function rangeOf(by: 'seq' | 'rev' | 'at', from: number | undefined, to: number | undefined): TranscriptRange {
  const time = (value: number | undefined) => (value === undefined ? undefined : iso(value * 100));
  return by === 'at' ? { by, from: time(from), to: time(to) } : { by, from, to };
}

describe('a transcript', () => {
  it('in pages is all of its range, once, in order, in either direction', async () => {
    const bound = fc.option(fc.integer({ min: 0, max: 700 }), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(
        fc.array(gap, { maxLength: 330, size: 'max' }),
        fc.constantFrom('seq' as const, 'rev' as const, 'at' as const),
        bound,
        bound,
        fc.integer({ min: 1, max: 170 }),
        async (gaps, by, from, to, limit) => {
          const { ask, messages } = await conversationOf(gaps);
          const range = rangeOf(by, from, to);
          const expected = inRange(messages, range).map(({ seq }) => seq);
          const forwards: number[] = [];
          let page = await ask({ range, limit, place: { after: -1 } });
          for (;;) {
            forwards.push(...seqs(page));
            expect(page.messages.length).toBeLessThanOrEqual(limit);
            if (!page.hasNext) break;
            page = await ask({ range, limit, place: { after: forwards.at(-1) ?? -1 } });
          }
          expect(forwards).toEqual(expected);
          const backwards: number[] = [];
          page = await ask({ range, limit, place: { before: 1_000 } });
          for (;;) {
            backwards.unshift(...seqs(page));
            if (!page.hasPrevious) break;
            page = await ask({ range, limit, place: { before: backwards[0] ?? 0 } });
          }
          expect(backwards).toEqual(expected);
          const first = await ask({ range, limit });
          expect(seqs(first)).toEqual(from === undefined ? expected.slice(-limit) : expected.slice(0, limit));
        },
      ),
      { numRuns: 60 },
    );
  }, 120_000);

  it('says whether there is more on both sides', async () => {
    const { ask } = await conversationOf(steady(250));
    expect(await ask({ place: { around: 120 }, limit: 10 })).toMatchObject({ hasNext: true, hasPrevious: true });
    expect(await ask()).toMatchObject({ hasNext: false, hasPrevious: true });
    expect(await ask({ place: { after: 239 }, limit: 10 })).toMatchObject({ hasNext: false, hasPrevious: true });
    expect(await ask({ place: { before: 10 }, limit: 10 })).toMatchObject({ hasNext: true, hasPrevious: false });
    const range = { by: 'seq', from: 5, to: 14 } as const;
    expect(await ask({ range })).toMatchObject({ hasNext: false, hasPrevious: false });
    expect(await ask({ range, limit: 4 })).toMatchObject({ hasNext: true, hasPrevious: false });
    expect(await ask({ range: { by: 'rev', from: 5 }, limit: 4 })).toMatchObject({ hasPrevious: false });
  });

  it('around a message has those before and behind it', async () => {
    const { ask } = await conversationOf(steady(250));
    expect(seqs(await ask({ place: { around: 100 }, limit: 10 }))).toEqual(between(95, 104));
    expect(seqs(await ask({ place: { around: 2 }, limit: 10 }))).toEqual(between(0, 9));
    expect(seqs(await ask({ place: { around: 249 }, limit: 10 }))).toEqual(between(244, 249));
    expect(seqs(await ask({ place: { around: 9_000 }, limit: 10 }))).toEqual([]);
  });

  it('of a conversation without messages, or of none, is empty', async () => {
    const { ask } = await conversationOf([]);
    for (const request of [{}, { place: { after: -1 } }, { place: { before: 0 } }, { place: { around: 0 } }])
      expect(await ask(request)).toMatchObject({ messages: [], hasNext: false, hasPrevious: false, position: 0 });
    expect(await ask({ conversation: 'none' })).toMatchObject({ messages: [], position: 0 });
    expect(await ask({ tenant: 'other' })).toMatchObject({ messages: [] });
  });

  it('reads no bucket but those it needs, and the one that finds the end of a range', async () => {
    const { ask, walks, generation } = await conversationOf(steady(1_000));
    const bucketsOf = async (request: Partial<TranscriptRequest>): Promise<number> => {
      walks.length = 0;
      await ask(request);
      const plans = await Promise.all(walks.map(walk => generation.explain(walk)));
      return plans.reduce((sum, { documentsExamined }) => sum + documentsExamined, 0);
    };
    expect(await bucketsOf({ limit: 20 })).toBe(1);
    expect(await bucketsOf({ place: { around: 550 }, limit: 20 })).toBe(1);
    expect(await bucketsOf({ place: { around: 500 } })).toBe(2);
    expect(await bucketsOf({ range: { by: 'rev', from: 901 }, limit: 10 })).toBe(1);
    expect(await bucketsOf({ range: { by: 'at', from: iso(501_000), to: iso(510_000) } })).toBe(1);
    expect(await bucketsOf({ range: { by: 'at', to: iso(550_000) }, limit: 10 })).toBe(1);
    expect(await bucketsOf({ range: { by: 'seq', from: 0 }, limit: 500 })).toBe(6);
    // A place that is not in the range at all.
    expect(await bucketsOf({ range: { by: 'rev', from: 1_900 }, place: { after: 3 }, limit: 10 })).toBeLessThan(4);
    expect(await bucketsOf({ range: { by: 'rev', to: 20 }, place: { before: 900 }, limit: 10 })).toBeLessThan(4);
  });

  it('has shorter pages where texts are long', async () => {
    const { ask } = await conversationOf(steady(500), 'x'.repeat(10_000));
    const page = await ask({ range: { by: 'seq', from: 0 }, limit: 500 });
    expect(page.messages.length).toBeGreaterThan(350);
    expect(page.messages.length).toBeLessThan(450);
    expect(page.hasNext).toBe(true);
    expect(seqs(await ask({ place: { around: 400 }, limit: 500 }))).toContain(400);
  });

  it('says when an event could not be folded into what it shows', async () => {
    const { ask, generation } = await conversationOf(steady(150));
    const [id] = [`${TENANT}/1/00000000`];
    const [before] = await generation.load<MessageBucket>('message_buckets', [id]);
    const from = await generation.checkpoint();
    if (before === undefined || from === undefined) throw new Error('There is nothing to park.');
    const after: MessageBucket = { ...before, parked: true };
    const writes = [{ collection: 'message_buckets', id, before, after }];
    await generation.commit({ from, to: { ...from, position: from.position + 1 }, writes });
    expect((await ask({ limit: 20 })).stale).toBe(false);
    expect((await ask({ place: { around: 10 }, limit: 20 })).stale).toBe(true);
  });
});

describe('a conversation that grows while it is read', () => {
  it('is never shown with a gap', async () => {
    const filled = new FilledReadStore(new MemoryReadStore(), 'log');
    const post = (seq: number) =>
      happened('MessagePosted', { seq, text: 'hi', format: 'plain', attachments: [] }, by('visitor', 'vera'));
    const events = historyOf([happened('ConversationStarted', { channel: 'web' }), ...between(0, 499).map(post)]);
    await filled.fold(events.slice(0, 151));
    const generation = await filled.of(messagesProjection);
    const later = [events.slice(151)];
    const growing: Pick<Generation, 'walk'> = {
      walk: async walk => {
        const found = await generation.walk<never>(walk);
        await filled.fold(later.pop() ?? []);
        return found;
      },
    };
    const request = { tenant: TENANT, conversation: '1', range: { by: 'seq', from: 0 }, limit: 400 } as const;
    const { messages, hasNext, position } = await transcript(growing, request);
    expect(seqs({ messages })).toEqual(between(0, messages.length - 1));
    expect({ hasNext, position }).toEqual({ hasNext: false, position: 1_500 });
  });
});
