import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONVERSATION_LISTS } from '../../src/projections/conversations/conversation-lists.ts';
import type { ConversationDocument } from '../../src/projections/conversations/conversation-document.ts';
import { leastPositionAt, listConversations } from '../../src/projections/conversations/list-query.ts';
import type { ListPage, ListPlace, ListSelection } from '../../src/projections/conversations/list-query.ts';
import { conversationsProjection } from '../../src/projections/conversations/projection.ts';
import type { ProjectedEvent } from '../../src/projections/projection.ts';
import type { Scalar } from '../../src/read-store/read-store.ts';
import type { Step } from '../support/conversation-arbitraries.ts';
import { steps } from '../support/conversation-arbitraries.ts';
import { FilledReadStore } from '../support/filled-read-store.ts';
import { MemoryReadStore } from '../support/memory-read-store.ts';
import { BEGIN_MS, decidedEvents, TENANT } from '../support/projected-events.ts';

/** Of whom the arbitrary commands tell; `later` is what time the command comes at. */
interface Told {
  readonly conversation: string;
  readonly step: Step;
  readonly laterMs: number;
}

const VALUES: Readonly<Record<string, readonly string[]>> = {
  status: ['open', 'resolved', 'snoozed'],
  queue: ['sales', 'billing'],
  assignee: ['bob', 'cy'],
  visitor: ['ann', 'bob'],
  priority: ['normal', 'urgent'],
  tags: ['vip', 'late'],
};

/** A few conversations, each with commands of its own, mixed. */
const log: fc.Arbitrary<ProjectedEvent[]> = fc
  .array(fc.tuple(steps, fc.constantFrom(0, 1, 60_000)), { minLength: 1, maxLength: 9 })
  .chain(conversations => {
    const told: Told[] = conversations.flatMap(([own, laterMs], i) =>
      own.map(step => ({ conversation: `c${i}`, step, laterMs })),
    );
    return fc.tuple(fc.constant(told), fc.array(fc.nat(1_000), { minLength: told.length, maxLength: told.length }));
  })
  .map(([told, order]) => {
    // Mixed, each conversation in its own order.
    const mixed = told
      .map((each, i) => ({ each, at: order[i] ?? 0 }))
      .sort((a, b) => (a.each.conversation === b.each.conversation ? 0 : a.at - b.at))
      .map(({ each }) => each);
    let at = BEGIN_MS;
    return decidedEvents(
      mixed.map(({ conversation, step: { command, actor, origin }, laterMs }) => {
        at += laterMs;
        return { conversation, command, actor, origin, at };
      }),
    );
  });

const selection: fc.Arbitrary<ListSelection> = fc.constantFrom(...CONVERSATION_LISTS).chain(list =>
  fc
    .tuple(
      fc.constantFrom('forwards' as const, 'backwards' as const),
      fc.tuple(...list.filter.map(field => fc.constantFrom(...(VALUES[field] ?? [])))),
      fc.boolean(),
    )
    .map(([direction, values, luck]) => ({
      ...{ tenant: TENANT, list, direction },
      values: Object.fromEntries(list.filter.map((field, i) => [field, values[i] ?? ''])),
      isForVisitor: luck && list.name === 'by_visitor',
    })),
);

/** By the book, with no index. */
function isOf(document: ConversationDocument, { list, values, isForVisitor }: ListSelection): boolean {
  const fields = document as unknown as Readonly<Record<string, Scalar | readonly string[]>>;
  const holds = ([field, value]: [string, Scalar]): boolean =>
    field === 'tags' ? document.tags.includes(String(value)) : fields[field] === value;
  return !(isForVisitor && document.visitorRemoved) && Object.entries({ ...values, ...list.always }).every(holds);
}

class Fixture {
  readonly filled = new FilledReadStore(new MemoryReadStore(), 'log');
  generation = 1;

  async documents(): Promise<ConversationDocument[]> {
    const generation = await this.filled.of(conversationsProjection, this.generation);
    return [...(await generation.page<ConversationDocument>('conversations', { after: undefined, limit: 1_000 }))];
  }

  async ask(selection: ListSelection, place: ListPlace | undefined, limit: number): Promise<ListPage> {
    const generation = await this.filled.of(conversationsProjection, this.generation);
    // As createReadModels sees to it.
    if (place) expect((await generation.checkpoint())?.position ?? -1).toBeGreaterThanOrEqual(leastPositionAt(place));
    return listConversations(generation, selection, place, limit);
  }

  /** Builds all of it anew, to go on with that. */
  async rebuild(events: readonly ProjectedEvent[]): Promise<void> {
    this.generation += 1;
    await this.filled.fold(events, this.generation);
  }
}

const walk = fc.record({
  events: log,
  selection,
  limit: fc.integer({ min: 1, max: 4 }),
  /** How many events are there when the walk begins, in thousandths, and how many come with each page. */
  begin: fc.nat(1_000),
  comes: fc.array(fc.nat(12), { minLength: 1, maxLength: 12 }),
  rebuilds: fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
});

describe('a cursor walk', () => {
  it('sees every conversation that is there throughout, once unless it changed, and ends with the list as it is', async () => {
    await fc.assert(
      fc.asyncProperty(walk, async ({ events, selection, limit, begin, comes, rebuilds }) => {
        const fixture = new Fixture();
        let folded = Math.floor((events.length * begin) / 1_000);
        await fixture.filled.fold(events.slice(0, folded));
        const isThroughout = new Set(
          (await fixture.documents()).filter(each => isOf(each, selection)).map(each => each._id),
        );
        const mine = new Map<string, ConversationDocument>();
        const seen: string[] = [];
        let place: ListPlace | undefined;
        let start = -1;
        for (let turn = 0; ; turn++) {
          const page = await fixture.ask(selection, place, limit);
          expect(page.documents.length + page.gone.length).toBeLessThanOrEqual(limit);
          place = page.next;
          if (turn === 0) start = place.start;
          for (const document of page.documents) {
            mine.set(document.conversation, document);
            seen.push(document._id);
          }
          for (const conversation of page.gone) mine.delete(conversation);
          if (!page.more && folded === events.length) break;
          const more = events.slice(folded, folded + (comes[turn % comes.length] ?? 1) + (turn > 50 ? 100 : 0));
          await fixture.filled.fold(more, fixture.generation);
          folded += more.length;
          if (rebuilds[turn] === true && folded > 0) await fixture.rebuild(events.slice(0, folded));
          const now = new Map((await fixture.documents()).map(each => [each._id, each]));
          for (const id of isThroughout) {
            const document = now.get(id);
            if (document === undefined || !isOf(document, selection)) isThroughout.delete(id);
          }
        }
        const documents = await fixture.documents();
        const isChanged = new Set(documents.filter(({ position }) => position > start).map(({ _id }) => _id));
        for (const id of isThroughout) {
          expect(seen).toContain(id);
          if (!isChanged.has(id)) expect(seen.filter(each => each === id)).toHaveLength(1);
        }
        const expected = documents.filter(document => isOf(document, selection));
        expect([...mine.values()].sort((a, b) => (a._id < b._id ? -1 : 1))).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  }, 120_000);

  it('is in the order of its list', async () => {
    await fc.assert(
      fc.asyncProperty(log, selection, async (events, selection) => {
        const fixture = new Fixture();
        await fixture.filled.fold(events);
        const { list, direction } = selection;
        const { documents } = await fixture.ask(selection, undefined, 200);
        const keys = documents.map(document => [document[list.sort] as string, document._id]);
        const sorted = keys.toSorted(([a = '', aId = ''], [b = '', bId = '']) =>
          a === b ? (aId < bId ? -1 : 1) : a < b ? -1 : 1,
        );
        expect(keys).toEqual(direction === 'forwards' ? sorted : sorted.reverse());
        expect(new Set(documents.map(({ _id }) => _id))).toEqual(
          new Set((await fixture.documents()).filter(each => isOf(each, selection)).map(({ _id }) => _id)),
        );
      }),
      { numRuns: 100 },
    );
  }, 60_000);

  it('of nothing has a cursor, and goes on where something begins', async () => {
    const fixture = new Fixture();
    const list = CONVERSATION_LISTS[0];
    if (list === undefined) throw new Error('There is no list.');
    const all: ListSelection = { tenant: TENANT, list, direction: 'backwards', values: {}, isForVisitor: false };
    const empty = await fixture.ask(all, undefined, 10);
    expect(empty).toMatchObject({ documents: [], gone: [], more: false, position: undefined });
    expect(empty.next).toEqual({ phase: 'changes', after: null, start: -1 });
    expect((await fixture.ask(all, empty.next, 10)).next).toEqual(empty.next);
    const step = { command: { type: 'StartConversation', data: { channel: 'web' } }, origin: 'live' } as const;
    await fixture.filled.fold(
      decidedEvents([{ ...step, conversation: 'c1', actor: { id: 'bot', role: 'bot' }, at: BEGIN_MS }]),
    );
    const page = await fixture.ask(all, empty.next, 10);
    expect(page.documents.map(({ conversation }) => conversation)).toEqual(['c1']);
    expect(page.next).toEqual({ phase: 'changes', after: [0, `${TENANT}/c1`], start: -1 });
  });
});
