/**
 * A log for tests of projecting, without commands and without sealing: events are JSON in the domain's shape, and texts
 * open as null once their subject's key is destroyed, as sealed ones do.
 */
import { randomUUID } from 'node:crypto';
import type { ConversationEvent } from '../../src/domain/conversation/events.ts';
import type { Actor, DomainEvent, Recorded } from '../../src/domain/decider.ts';
import type { TenantEvent } from '../../src/domain/tenant/events.ts';
import type { RecordedEvent } from '../../src/event-store/event-store.ts';
import { MemoryEventStore } from './memory-event-store.ts';
import { MemoryKeyring } from './memory-keyring.ts';

const ANN: Actor = { id: 'ann', role: 'agent' };

interface Written {
  readonly event: DomainEvent;
  /** Whose key its text is sealed with. */
  readonly subject: string;
}

export class ProjectedLog {
  readonly keys = new MemoryKeyring();
  readonly store: MemoryEventStore;
  /** Opened, of conversations. */
  opened = 0;
  private readonly visitors = new Map<string, string>();
  private last = -1n;

  constructor(now: () => number = () => 0) {
    this.store = new MemoryEventStore(now);
  }

  /** Of the last event. */
  get end(): number {
    return Number(this.last);
  }

  async append(conversation: string, ...events: ConversationEvent[]): Promise<void> {
    for (const event of events) {
      if (event.type === 'ConversationStarted') this.visitors.set(conversation, event.data.visitor ?? conversation);
      const subject = this.visitors.get(conversation) ?? conversation;
      await this.keys.obtain([{ tenant: 'acme', subject }]);
      await this.write(`conversation-acme.${conversation}`, { event, subject });
    }
  }

  /** The log's word first; the key stays until somebody destroys it, unless `andKey`. */
  async erase(subject: string, andKey = false): Promise<void> {
    const event: TenantEvent = { type: 'SubjectErased', data: { subject, by: 'sue', reason: 'asked' } };
    await this.write('tenant-acme.settings', { event, subject });
    if (andKey) await this.keys.destroy([{ tenant: 'acme', subject }]);
  }

  /** An event that no code of this age knows. */
  async appendUnknown(conversation: string): Promise<void> {
    await this.write(`conversation-acme.${conversation}`, {
      event: { type: 'Teleported', data: {} },
      subject: 'nobody',
    });
  }

  async appendOther(stream: string): Promise<void> {
    await this.write(stream, { event: { type: 'ApiKeyRevoked', data: { keyId: 'k' } }, subject: 'nobody' });
  }

  readonly open = async (batch: readonly RecordedEvent[]): Promise<Recorded<ConversationEvent>[]> => {
    this.opened += batch.length;
    const written = batch.map(({ data }) => JSON.parse(Buffer.from(data).toString()) as Written);
    const keys = await this.keys.find(written.map(({ subject }) => ({ tenant: 'acme', subject })));
    return batch.map((recorded, i) => {
      if (recorded.type === 'Teleported') throw new Error('Written by newer code.');
      const event = written[i]?.event as ConversationEvent;
      if (keys[i] === 'erased' && 'text' in event.data) Object.assign(event.data, { text: null });
      return opened(recorded, event);
    });
  };

  readonly openTenant = (batch: readonly RecordedEvent[]): Promise<Recorded<TenantEvent>[]> =>
    Promise.resolve(
      batch.map(recorded =>
        opened(recorded, (JSON.parse(Buffer.from(recorded.data).toString()) as Written).event as TenantEvent),
      ),
    );

  private async write(stream: string, written: Written): Promise<void> {
    const event = { id: randomUUID(), type: written.event.type, contentType: 'application/json' } as const;
    const data = Buffer.from(JSON.stringify(written));
    const result = await this.store.append(stream, [{ ...event, data, metadata: Buffer.from('{}') }], {
      expectedRevision: 'any',
    });
    this.last = result.position ?? this.last;
  }
}

function opened<Event extends DomainEvent>(recorded: RecordedEvent, event: Event): Recorded<Event> {
  const { id, stream, revision, position, createdMs } = recorded;
  const cause = { actor: ANN, origin: 'live', commandId: undefined, commandDigest: undefined } as const;
  return { event, id, stream, revision, position, at: createdMs, ...cause };
}

export interface HistoryOptions {
  readonly events: number;
  readonly conversations?: number;
  readonly seed?: number;
  /** Every so many events, somebody is erased. */
  readonly erasureEvery?: number;
}

/** Appends a history that any decider would have allowed, the same for the same seed; `each` after each event. */
export async function appendHistory(
  log: ProjectedLog,
  { events, conversations = 12, seed = 1, erasureEvery }: HistoryOptions,
  each: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const random = numbersFrom(seed);
  const messages = new Map<string, number>();
  const tags = new Map<string, number>();
  for (let i = 0; i < events; i++) {
    const number = random(conversations);
    const conversation = `c${String(number).padStart(2, '0')}`;
    const said = messages.get(conversation);
    const kind = random(10);
    if (erasureEvery !== undefined && i % erasureEvery === erasureEvery - 1) {
      await log.erase(`v${random(6)}`, random(2) === 0);
    } else if (said === undefined) {
      await log.append(conversation, {
        type: 'ConversationStarted',
        data: { channel: number % 2 === 0 ? 'web' : 'mail', visitor: `v${number % 6}` },
      });
      messages.set(conversation, 0);
    } else if (kind < 6 || said === 0) {
      const data = { seq: said, text: `secret ${i}`, format: 'plain', attachments: [] } as const;
      await log.append(conversation, { type: 'MessagePosted', data });
      messages.set(conversation, said + 1);
    } else if (kind < 8) {
      await log.append(conversation, { type: 'MessageEdited', data: { seq: random(said), text: `secret edit ${i}` } });
    } else {
      const tag = tags.get(conversation) ?? 0;
      tags.set(conversation, tag + 1);
      await log.append(conversation, { type: 'TagAdded', data: { tag: `t${tag}` } });
    }
    await each();
  }
}

/** Park and Miller's; the same everywhere. */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed;
  return below => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}
