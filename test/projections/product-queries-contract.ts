/** What every engine must give for every query of the product: what the store in memory gives, along an index. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConversationCommand } from '../../src/domain/conversation/commands.ts';
import type { Actor } from '../../src/domain/decider.ts';
import type { ProjectedEvent } from '../../src/projections/projection.ts';
import type { ReadStore } from '../../src/read-store/read-store.ts';
import { FilledReadStore } from '../support/filled-read-store.ts';
import { MemoryReadStore } from '../support/memory-read-store.ts';
import { BEGIN_MS, by, decidedEvents, TENANT } from '../support/projected-events.ts';
import type { Asked } from '../support/projected-events.ts';
import { askProductQueries } from './product-queries.ts';
import type { AskedQuery } from './product-queries.ts';

interface OpenedReadStore {
  readonly readStore: ReadStore;
  readonly close: () => Promise<void>;
}

interface ProductQueryOptions {
  /** Default: 60. One of them has LONG messages, the others a few. */
  readonly conversations?: number;
  /** What the plans of its walks are held to. Default `exact`. */
  readonly plans?: 'exact' | 'index' | 'unchecked';
}

const LONG = 230;
const MINUTE_MS = 60_000;

/** In which every list has somebody, and every dimension something to count. */
function variedEvents(conversations: number): ProjectedEvent[] {
  const asked: Asked[] = [];
  let at = BEGIN_MS;
  for (let i = 0; i < conversations; i++) {
    const conversation = `c${String(i).padStart(4, '0')}`;
    const visitor = by('visitor', `v${i % 7}`);
    const agent = by('supervisor', i % 2 === 0 ? 'ada' : 'bob');
    const ask = (actor: Actor, type: ConversationCommand['type'], data: object): void => {
      at += MINUTE_MS * (1 + (i % 3));
      const command = { type, data } as ConversationCommand;
      asked.push({ conversation, command, actor, origin: 'live', at });
    };
    ask(visitor, 'StartConversation', { channel: i % 2 === 0 ? 'web' : 'mail', topic: `Topic ${i}` });
    ask(agent, 'AddTag', { tag: i % 3 === 0 ? 'vip' : 'late' });
    ask(agent, 'SetPriority', { priority: i % 4 === 0 ? 'urgent' : 'low' });
    if (i % 2 === 0) ask(agent, 'QueueConversation', { queue: i % 4 === 0 ? 'sales' : 'billing' });
    const messages = i === 1 ? LONG : 1 + (i % 5);
    for (let seq = 0; seq < messages; seq++)
      ask(seq % 2 === 0 ? visitor : agent, 'PostMessage', { text: `${seq} of ${conversation}` });
    if (i % 3 === 1) ask(agent, 'AssignConversation', { agent: agent.id, forced: true, why: 'asked' });
    if (i % 5 === 2) ask(agent, 'ResolveConversation', {});
  }
  return decidedEvents(asked);
}

/** `open`: an empty read store. */
export function productQueryContract(
  engine: string,
  open: () => Promise<OpenedReadStore>,
  { conversations = 60, plans = 'exact' }: ProductQueryOptions = {},
): void {
  describe(`every query of the product, ${engine}`, () => {
    let opened: OpenedReadStore;
    let asked: readonly AskedQuery[];
    let expected: readonly AskedQuery[];
    beforeAll(async () => {
      const events = variedEvents(conversations);
      opened = await open();
      const stores = [opened.readStore, new MemoryReadStore()];
      const answers: AskedQuery[][] = [];
      for (const readStore of stores) {
        await new FilledReadStore(readStore, 'log').fold(events);
        answers.push(await askProductQueries({ readStore, generation: 1, tenant: TENANT }));
      }
      [asked = [], expected = []] = answers;
    }, 120_000);
    afterAll(() => opened.close());

    it('gives what the store in memory gives, and something', () => {
      expect(asked.length).toBeGreaterThan(90);
      for (const [i, { name, result }] of asked.entries()) {
        expect(name).toBe(expected[i]?.name);
        expect(result, name).toEqual(expected[i]?.result);
      }
      for (const { name, walks } of asked)
        if (name !== 'transcript of no conversation')
          expect(
            walks.reduce((sum, { plan }) => sum + plan.returned, 0),
            name,
          ).toBeGreaterThan(0);
    });

    if (plans === 'unchecked') return;
    it('walks an index, and looks at no more than twice what it gives', () => {
      for (const { name, walks } of asked)
        for (const { walk, plan } of walks) {
          const what = `${name}: ${JSON.stringify(walk)}`;
          expect(walk.equals.tenant, what).toBe(TENANT);
          expect(plan.usesIndex, what).toBe(true);
          if (plans === 'exact') expect(plan.documentsExamined, what).toBeLessThanOrEqual(2 * plan.returned);
        }
    });
  });
}
