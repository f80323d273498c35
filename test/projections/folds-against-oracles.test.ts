/** Every read model's fold, held after every event against what its definition says, recomputed from the whole history. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLine, postOf, startOf, actorOf } from '../../src/commands/import-mapping.ts';
import { createTenantKeys } from '../../src/commands/derived-ids.ts';
import type { ConversationEvent } from '../../src/domain/conversation/events.ts';
import type { Role } from '../../src/domain/decider.ts';
import { PROJECTIONS } from '../../src/projections/projections.ts';
import type { ProjectedEvent } from '../../src/projections/projection.ts';
import { steps } from '../support/conversation-arbitraries.ts';
import type { Step } from '../support/conversation-arbitraries.ts';
import { emptyCollections, foldEvents } from '../support/fold-events.ts';
import type { FoldedCollections } from '../support/fold-events.ts';
import { TENANT, by, decidedEvents, happened, historyOf } from '../support/projected-events.ts';
import type { Asked, Happened } from '../support/projected-events.ts';
import * as oracles from '../support/read-model-oracles.ts';
import { SAMPLE, linesOf, readNdjson } from '../support/sample.ts';

const ORACLES = {
  message_buckets: oracles.messageBuckets,
  conversations: oracles.conversations,
  participants: oracles.participants,
  volume: oracles.volume,
};

/** From one command to the next: days and quarter hours change on the way. */
const STEP_MS = 17 * 60_000;
const BEGIN_MS = Date.parse('2026-02-28T20:00:00.000Z');

/** Two conversations, by turns. */
function asked(lists: readonly (readonly Step[])[]): Asked[] {
  const longest = Math.max(...lists.map(({ length }) => length));
  return Array.from({ length: longest }, (_, i) =>
    lists.flatMap((list, conversation) => {
      const step = list[i];
      return step === undefined
        ? []
        : [{ ...step, conversation: String(conversation), at: BEGIN_MS + i * STEP_MS, commandId: `c${i}` }];
    }),
  ).flat();
}

function frozen<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(frozen);
  }
  return value;
}

function withoutPositions(documents: ReadonlyMap<string, object>): Map<string, object> {
  return new Map(
    [...documents].map(([id, document]) => {
      const { _id, position, ...rest } = document as { _id?: string; position?: number };
      expect(_id).toBe(id);
      expect(position).toBeGreaterThanOrEqual(0);
      return [id, rest];
    }),
  );
}

function expectAsDefined(
  folded: ReadonlyMap<string, ReadonlyMap<string, object>>,
  log: readonly ProjectedEvent[],
): void {
  for (const [collection, documents] of folded)
    expect(withoutPositions(documents), collection).toStrictEqual(ORACLES[collection as keyof typeof ORACLES](log));
}

/** Folds the log into all read models; documents and events are frozen, so that a fold that changes one throws. */
function foldFrozen(
  log: readonly ProjectedEvent[],
  afterEach: (folded: ReadonlyMap<string, ReadonlyMap<string, object>>, upTo: readonly ProjectedEvent[]) => void,
): void {
  frozen(log);
  const parts: FoldedCollections[] = PROJECTIONS.map(emptyCollections);
  log.forEach((event, i) => {
    PROJECTIONS.forEach((projection, part) => foldEvents(projection, [event], parts[part]));
    const folded = new Map(parts.flatMap(part => [...part]));
    for (const documents of folded.values()) frozen([...documents.values()]);
    afterEach(folded, log.slice(0, i + 1));
  });
}

describe('Whatever the decider lets happen', () => {
  it('every document is what its definition says, after every event', () => {
    fc.assert(
      fc.property(fc.tuple(steps, steps), lists => {
        foldFrozen(decidedEvents(asked(lists)), expectAsDefined);
      }),
      { numRuns: 60 },
    );
  });

  it('what was folded of several conversations is what was folded of each', () => {
    fc.assert(
      fc.property(fc.tuple(steps, steps), lists => {
        const log = decidedEvents(asked(lists));
        for (const projection of PROJECTIONS) {
          const mixed = foldEvents(projection, log);
          const apart = foldEvents(projection, oracles.histories(log).flat());
          for (const { collection } of projection.documents)
            expect(mixed.get(collection.name)).toEqual(apart.get(collection.name));
        }
      }),
      { numRuns: 60 },
    );
  });
});

/** Runs of posts long enough to fill buckets and to pass what is counted exactly, with changes and receipts in between. */
type Stretch =
  | { readonly kind: 'posts'; readonly count: number; readonly role: Role; readonly isImported: boolean }
  | { readonly kind: 'edit' | 'redact' | 'read'; readonly role: Role; readonly place: number };

const stretch: fc.Arbitrary<Stretch> = fc.oneof(
  fc.record({
    kind: fc.constant('posts' as const),
    count: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 120 })),
    role: fc.constantFrom<Role>('visitor', 'visitor', 'agent', 'bot', 'service'),
    isImported: fc.boolean(),
  }),
  fc.record({
    kind: fc.constantFrom('edit' as const, 'redact' as const, 'read' as const, 'read' as const),
    role: fc.constantFrom<Role>('visitor', 'agent', 'supervisor', 'bot'),
    place: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  }),
);

function happenings(stretches: readonly Stretch[]): Happened[] {
  const list = [happened('ConversationStarted', { channel: 'web', visitor: 'visitor' })];
  const redacted = new Set<number>();
  let posts = 0;
  for (const each of stretches) {
    const actor = by(each.role);
    if (each.kind === 'posts') {
      for (let i = 0; i < each.count; i++) {
        const seq = posts++;
        const source = each.isImported ? { source: { id: `l${seq}`, author: `name of ${actor.id}` } } : {};
        list.push(
          happened('MessagePosted', { seq, text: `t${seq}`, format: 'plain', attachments: [], ...source }, actor),
        );
      }
      continue;
    }
    const seq = Math.floor(each.place * posts);
    if (seq >= posts) continue;
    if (each.kind === 'read') list.push(happened('ReceiptRecorded', { reader: actor.id, kind: 'read', seq }, actor));
    else if (redacted.has(seq)) continue;
    else if (each.kind === 'edit') list.push(happened('MessageEdited', { seq, text: `e${list.length}` }, actor));
    else {
      redacted.add(seq);
      list.push(happened('MessageRedacted', { seq }, actor));
    }
  }
  return list;
}

describe('A long conversation', () => {
  it('fills bucket after bucket, and counts what is unread exactly below a hundred', () => {
    fc.assert(
      fc.property(fc.array(stretch, { minLength: 1, maxLength: 12 }), stretches => {
        const list = happenings(stretches);
        const isWorthALook = (i: number): boolean => i % 40 === 0 || list[i]?.event.type !== 'MessagePosted';
        foldFrozen(historyOf(list), (folded, upTo) => {
          if (isWorthALook(upTo.length - 1) || upTo.length === list.length) expectAsDefined(folded, upTo);
        });
      }),
      { numRuns: 40 },
    );
  });
});

describe('The sample of real conversations', () => {
  const keys = createTenantKeys({ rootSecret: new Uint8Array(32) });
  const as = { tenant: TENANT, by: 'importer' };
  const lines = readNdjson(SAMPLE)
    .split('\n')
    .map((line, i) => parseLine({ number: i + 1, line }))
    .flatMap(parsed => (parsed.kind === 'line' ? [parsed.line] : []));
  const begun = new Set<string>();
  const log = decidedEvents(
    lines.flatMap(line => {
      const actor = actorOf(line, TENANT, keys);
      const requests = [...(begun.has(line.conversation) ? [] : [startOf(line, actor, as)]), postOf(line, actor, as)];
      begun.add(line.conversation);
      return requests.map(({ id, command, commandId }) => ({
        ...{ conversation: id, command, actor, commandId, origin: 'import' as const, at: line.at },
      }));
    }),
  );
  const folded = new Map(PROJECTIONS.flatMap(projection => [...foldEvents(projection, log)]));

  it('is folded as defined', () => {
    expectAsDefined(folded, log);
  });

  it('stands in the buckets line for line, and is counted by the volume once', () => {
    const buckets = [...(folded.get('message_buckets')?.values() ?? [])] as unknown as {
      conversation: string;
      messages: { text: string }[];
    }[];
    const told = linesOf(readNdjson(SAMPLE)).map(({ conversation, text }) => `${conversation} ${text}`);
    const held = buckets.flatMap(({ conversation, messages }) => messages.map(({ text }) => `${conversation} ${text}`));
    expect(held.sort()).toEqual(told.sort());
    const days = [...(folded.get('volume')?.values() ?? [])] as unknown as {
      dimension: string;
      counters: { messages?: number[] };
    }[];
    const all = days.filter(({ dimension }) => dimension === 'all').flatMap(({ counters }) => counters.messages ?? []);
    expect(all.reduce((sum, messages) => sum + messages, 0)).toBe(told.length);
  });
});

/** Every text of the event that is somebody's, as it reads once it is erased. */
function erased(event: ConversationEvent): ConversationEvent {
  return JSON.parse(
    JSON.stringify(event, (name, value: unknown) =>
      typeof value === 'string' && (value.startsWith('SECRET') || name === 'author') ? null : value,
    ),
  ) as ConversationEvent;
}

describe('After an erasure', () => {
  const secret = { reason: 'SECRET reason' };
  const post = (seq: number, text: string) => ({
    ...{ seq, text, format: 'plain' as const, source: { id: `l${seq}`, author: 'SECRET name' } },
    attachments: [{ id: 'f', name: 'SECRET file', contentType: 'text/plain', bytes: 1 }],
  });
  const history = historyOf([
    happened('ConversationStarted', {
      ...{ channel: 'web', visitor: 'ann', topic: 'SECRET topic', attributes: { plan: 'SECRET plan' } },
    }),
    happened('MessagePosted', post(0, 'SECRET text'), by('visitor', 'ann')),
    happened('MessagePosted', post(1, 'SECRET other'), by('agent')),
    happened('MessageEdited', { seq: 1, text: 'SECRET edit' }, by('agent')),
    happened('MessageRedacted', { seq: 0, ...secret }, by('visitor', 'ann')),
    happened('NoteAdded', { seq: 0, text: 'SECRET note' }, by('agent')),
    happened('AttributesSet', { attributes: { city: 'SECRET city' }, removed: [] }),
    happened('ConversationQueued', {
      queue: 'sales',
      from: { kind: 'none' },
      since: '2026-03-01T10:00:00.000Z',
      ...secret,
    }),
    happened('ConversationResolved', { resolution: 0, from: 'open', since: '2026-03-01T10:00:00.000Z' }),
    happened('ConversationRated', { resolution: 0, score: 5, comment: 'SECRET comment' }, by('visitor', 'ann')),
    happened('VisitorRemoved', { visitor: 'ann', ...secret }),
  ]);
  const erasedHistory = history.map(projected => ({
    ...projected,
    recorded: { ...projected.recorded, event: erased(projected.recorded.event) },
  }));
  const allOf = (log: readonly ProjectedEvent[]) =>
    new Map(PROJECTIONS.flatMap(projection => [...foldEvents(projection, log)]));
  const asText = (documents: ReadonlyMap<string, object> | undefined) => JSON.stringify([...(documents ?? [])]);

  it('documents are as defined, and hold none of the words they held', () => {
    const before = allOf(history);
    const after = allOf(erasedHistory);
    expectAsDefined(after, erasedHistory);
    for (const collection of ['message_buckets', 'conversations', 'participants']) {
      expect(asText(before.get(collection)), collection).toContain('SECRET');
      expect(asText(after.get(collection)), collection).not.toContain('SECRET');
      expect([...(after.get(collection)?.keys() ?? [])]).toEqual([...(before.get(collection)?.keys() ?? [])]);
    }
  });

  it('the volume is what it was: what is counted holds no words', () => {
    expect(asText(allOf(history).get('volume'))).not.toContain('SECRET');
    expect(allOf(erasedHistory).get('volume')).toEqual(allOf(history).get('volume'));
  });

  it('every document with words names whose they are, so that it is found', () => {
    for (const [collection, documents] of allOf(history)) {
      for (const document of documents.values()) {
        if (!JSON.stringify(document).includes('SECRET')) continue;
        const { subjects } = document as unknown as { subjects: string[] };
        const whose = collection === 'participants' ? ['ann', 'agent'] : ['ann'];
        expect(
          subjects.some(subject => whose.includes(subject)),
          collection,
        ).toBe(true);
      }
    }
    const bucket = allOf(history).get('message_buckets')?.values().next().value;
    expect(bucket).toMatchObject({ subjects: ['ann', 'agent'] });
  });
});
