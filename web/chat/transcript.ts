/**
 * What was said and done in a room, folded from its events. Events may come in order (live, resumed) or as older pages of
 * history, so the fold keeps the events and begins again when older ones are put before them.
 */
import type { Role, RoomEvent } from '../protocol/frames.ts';
import { fieldsOf, numberOf, stringOf } from './fields.ts';
import { isMilestone } from './milestones.ts';
import { NOTHING_YET, evolve } from './room-state.ts';
import type { RoomState } from './room-state.ts';

/** Personal words. Null where they were erased: on the wire too, an erased field is `null` and the rest stays. */
type Words = string | null;

interface Written {
  /** Of the post; edits and redactions have their own. */
  readonly rev: number;
  readonly at: string;
  readonly author: string;
  readonly role: Role;
  readonly text: Words;
  readonly commandId: string | undefined;
}

export interface Message extends Written {
  readonly kind: 'message';
  readonly seq: number;
  /** Only an import knows names: the words of the file the message came from. */
  readonly importedName: Words | undefined;
  readonly replyTo: number | undefined;
  readonly editedAtRev: number | undefined;
  readonly redactedAtRev: number | undefined;
}

/** Between staff; a visitor is sent none. */
export interface Note extends Written {
  readonly kind: 'note';
}

/** Something that became of the conversation. */
export interface Milestone {
  readonly kind: 'milestone';
  readonly rev: number;
  readonly event: RoomEvent;
}

export type Entry = Message | Note | Milestone;

const wordsOf = (value: unknown): Words => (value === null ? null : (stringOf(value) ?? ''));

function importedNameOf({ source }: RoomEvent['data']): Words | undefined {
  const { author } = fieldsOf(source);
  return author === undefined ? undefined : wordsOf(author);
}

export class Transcript {
  #events: RoomEvent[] = [];
  #state = NOTHING_YET;
  /** By revision, in order: what changes an entry later leaves it in its place. */
  #entries = new Map<number, Entry>();
  #revBySeq = new Map<number, number>();
  #commands = new Set<string>();

  get entries(): readonly Entry[] {
    return [...this.#entries.values()];
  }

  /** In the order of their posts. */
  get messages(): readonly Message[] {
    return this.entries.filter(entry => entry.kind === 'message');
  }

  /** Of what is known here: whole where the room is known from its start. */
  get state(): RoomState {
    return this.#state;
  }

  get firstRev(): number | undefined {
    return this.#events[0]?.rev;
  }

  get empty(): boolean {
    return this.#events.length === 0;
  }

  /** True once the event that this command caused has been seen. */
  has(commandId: string): boolean {
    return this.#commands.has(commandId);
  }

  append(events: readonly RoomEvent[]): void {
    for (const event of events) {
      this.#events.push(event);
      this.#fold(event);
    }
  }

  /** Takes a page of history that ends before everything known so far. */
  prepend(events: readonly RoomEvent[]): void {
    const known = this.firstRev ?? Infinity;
    const all = [...events.filter(event => event.rev < known), ...this.#events];
    this.clear();
    this.append(all);
  }

  clear(): void {
    this.#events = [];
    this.#state = NOTHING_YET;
    this.#entries = new Map();
    this.#revBySeq = new Map();
    this.#commands = new Set();
  }

  #fold(event: RoomEvent): void {
    if (event.commandId !== undefined) this.#commands.add(event.commandId);
    this.#state = evolve(this.#state, event);
    switch (event.type) {
      case 'MessagePosted':
        this.#post(event);
        return;
      case 'MessageEdited':
        this.#change(event, { text: wordsOf(event.data.text), editedAtRev: event.rev });
        return;
      case 'MessageRedacted':
        this.#change(event, { text: '', redactedAtRev: event.rev });
        return;
      case 'NoteAdded':
        this.#entries.set(event.rev, { kind: 'note', ...written(event) });
        return;
      default:
        if (isMilestone(event)) this.#entries.set(event.rev, { kind: 'milestone', rev: event.rev, event });
    }
  }

  #post(event: RoomEvent): void {
    const seq = numberOf(event.data.seq);
    if (seq === undefined) return;
    this.#revBySeq.set(seq, event.rev);
    this.#entries.set(event.rev, {
      kind: 'message',
      ...written(event),
      seq,
      importedName: importedNameOf(event.data),
      replyTo: numberOf(event.data.replyTo),
      editedAtRev: undefined,
      redactedAtRev: undefined,
    });
  }

  #change(event: RoomEvent, change: Partial<Message>): void {
    const rev = this.#revBySeq.get(numberOf(event.data.seq) ?? -1);
    const message = rev === undefined ? undefined : this.#entries.get(rev);
    if (message?.kind === 'message') this.#entries.set(message.rev, { ...message, ...change });
  }
}

function written({ rev, at, actor, commandId, data }: RoomEvent): Written {
  return { rev, at, author: actor.id, role: actor.role, text: wordsOf(data.text), commandId };
}
