import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONVERSATION_LISTS } from '../../src/projections/conversations/conversation-lists.ts';
import type { ConversationDocument } from '../../src/projections/conversations/conversation-document.ts';
import { conversationsProjection } from '../../src/projections/conversations/projection.ts';
import { PROJECTIONS } from '../../src/projections/projections.ts';
import { steps } from '../support/conversation-arbitraries.ts';
import { foldEvents } from '../support/fold-events.ts';
import { decidedEvents } from '../support/projected-events.ts';
import type { ProjectedEvent } from '../../src/projections/projection.ts';

const logs: fc.Arbitrary<ProjectedEvent[]> = steps.map(list =>
  decidedEvents(list.map((step, i) => ({ ...step, conversation: '1', at: i * 1_000 }))),
);

describe.each(PROJECTIONS.map(projection => ({ name: projection.schema.name, projection })))(
  'The projection $name',
  ({ projection }) => {
    const { schema, documents, facts, erasure } = projection;
    const folds = [...documents, ...facts];

    it('folds each of its collections once, and no other', () => {
      expect(folds.map(({ collection }) => collection)).toEqual(schema.collections);
      expect(new Set(schema.collections.map(({ name }) => name)).size).toBe(schema.collections.length);
    });

    it('has indexes of different names that begin with the tenant and end in the one place of a document', () => {
      for (const { indexes } of schema.collections) {
        expect(new Set(indexes.map(({ name }) => name)).size).toBe(indexes.length);
        for (const { fields } of indexes) {
          expect([fields[0], fields.at(-1)]).toEqual(['tenant', '_id']);
          expect(new Set(fields).size).toBe(fields.length);
        }
      }
    });

    it('finds what an erasure touches by an index over the subjects', () => {
      expect(erasure.refolded.map(({ collection }) => collection)).toEqual(
        documents.map(({ collection }) => collection.name),
      );
      for (const { collection, subjectIndex } of erasure.refolded) {
        const indexes = schema.collections.find(({ name }) => name === collection)?.indexes ?? [];
        expect(indexes.find(({ name }) => name === subjectIndex)?.fields).toEqual(['tenant', 'subjects', '_id']);
      }
    });

    it('makes documents that have every field of every index, under ids of their tenant', () => {
      fc.assert(
        fc.property(logs, log => {
          const folded = foldEvents(projection, log);
          for (const { name, indexes } of schema.collections) {
            for (const [id, document] of folded.get(name) ?? []) {
              expect(id.startsWith('acme/')).toBe(true);
              for (const field of indexes.flatMap(({ fields, partial = {} }) => [...fields, ...Object.keys(partial)]))
                expect(document, `${name}: ${field}`).toHaveProperty(field);
            }
          }
        }),
        { numRuns: 100 },
      );
    });
  },
);

describe('Lists of conversations', () => {
  it('are sorted by what no conversation lacks', () => {
    fc.assert(
      fc.property(logs, log => {
        const conversations = foldEvents(conversationsProjection, log).get('conversations')?.values() ?? [];
        for (const conversation of conversations)
          for (const { sort } of CONVERSATION_LISTS)
            expect((conversation as ConversationDocument)[sort], sort).toBeTypeOf('string');
      }),
      { numRuns: 100 },
    );
  });

  it('leave out of a partial index only conversations for which the filter has no value, or another list', () => {
    fc.assert(
      fc.property(logs, log => {
        const conversations = foldEvents(conversationsProjection, log).get('conversations')?.values() ?? [];
        for (const { assignee, handling, queue } of conversations as Iterable<ConversationDocument>) {
          expect(assignee !== null).toBe(handling === 'assigned');
          if (handling === 'queued') expect(queue).not.toBeNull();
        }
      }),
      { numRuns: 100 },
    );
  });

  it('walk an index made of the filter and the sort', () => {
    for (const { filter, sort, index, always } of CONVERSATION_LISTS) {
      expect(index.fields).toEqual(['tenant', ...filter, sort, '_id']);
      expect(index.partial).toEqual(always);
    }
    expect(CONVERSATION_LISTS.map(({ filter, sort }) => [...filter, sort].join())).toEqual([
      'lastActivityAt',
      'status,lastActivityAt',
      'queue,handlingSince',
      'queue,lastActivityAt',
      'assignee,lastActivityAt',
      'assignee,status,lastActivityAt',
      'visitor,lastMessageOrStartAt',
      'priority,status,lastActivityAt',
      'tags,lastActivityAt',
    ]);
  });
});

describe('docs/read-models.md', () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'read-models.md'), 'utf8');
  /** A section's code spans: `rating {score, comment?}` is of `rating`, `score` and `comment`. */
  const namesIn = (text: string): Set<string> =>
    new Set([...text.matchAll(/`([^`]+)`/g)].flatMap(([, code = '']) => code.match(/\w+/g) ?? []));

  it('has a section for each collection, with each field that a document of it has', () => {
    const fields = new Map<string, Set<string>>();
    fc.assert(
      fc.property(logs, log => {
        for (const projection of PROJECTIONS)
          for (const [name, documents] of foldEvents(projection, log)) {
            const seen = fields.get(name) ?? new Set();
            fields.set(name, seen);
            for (const document of documents.values()) for (const field of Object.keys(document)) seen.add(field);
          }
      }),
      { numRuns: 100 },
    );
    const everywhere = namesIn(page.split('\n## ')[0] ?? '');
    for (const [name, seen] of fields) {
      const section = page.split('\n## ').find(part => part.startsWith(`\`${name}\``)) ?? '';
      expect(section, name).not.toBe('');
      const named = namesIn(section);
      const missing = [...seen].filter(field => field !== '_id' && !named.has(field) && !everywhere.has(field));
      expect(missing, name).toEqual([]);
    }
  });

  it('has a row for each list, in their order', () => {
    const rows = CONVERSATION_LISTS.map(({ name, filter, sort }) => {
      const row = page.split('\n').find(line => line.endsWith(`| \`${name}\` |`)) ?? '';
      const named = namesIn(row);
      return [...filter, sort].every(field => named.has(field)) ? row : `${name}: ${row}`;
    });
    expect(page).toContain(rows.join('\n'));
  });
});
