/**
 * The messages of a room, folded from its events. Events may come in order (live, resumed) or as older pages of history,
 * so the fold keeps the events and begins again when older ones are put before them.
 */
import type { Role, RoomEvent } from '../protocol/frames.ts';

export interface Message {
  readonly seq: number;
  /** Of the post; edits and redactions have their own. */
  readonly rev: number;
  readonly at: string;
  readonly author: string;
  readonly role: Role;
  readonly name: string | undefined;
  readonly text: string;
  readonly commandId: string | undefined;
  readonly replyTo: number | undefined;
  readonly editedAtRev: number | undefined;
  readonly redactedAtRev: number | undefined;
}

const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
const stringOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Only an import knows names: the words of the file the message came from. */
function nameOf(data: Readonly<Record<string, unknown>>): string | undefined {
  const { source } = data;
  return typeof source === 'object' && source !== null && 'author' in source ? stringOf(source.author) : undefined;
}

export class Transcript {
  #events: RoomEvent[] = [];
  #messages = new Map<number, Message>();
  #commands = new Set<string>();

  /** In the order of their posts. */
  get messages(): readonly Message[] {
    return [...this.#messages.values()];
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
    this.#events = [...events.filter(event => event.rev < known), ...this.#events];
    this.#messages = new Map();
    for (const event of this.#events) this.#fold(event);
  }

  clear(): void {
    this.#events = [];
    this.#messages = new Map();
    this.#commands = new Set();
  }

  #fold(event: RoomEvent): void {
    if (event.commandId !== undefined) this.#commands.add(event.commandId);
    const seq = numberOf(event.data.seq);
    if (seq === undefined) return;
    if (event.type === 'MessagePosted') {
      this.#messages.set(seq, {
        seq,
        rev: event.rev,
        at: event.at,
        author: event.actor.id,
        role: event.actor.role,
        name: nameOf(event.data),
        text: stringOf(event.data.text) ?? '',
        commandId: event.commandId,
        replyTo: numberOf(event.data.replyTo),
        editedAtRev: undefined,
        redactedAtRev: undefined,
      });
      return;
    }
    const message = this.#messages.get(seq);
    if (message === undefined) return;
    if (event.type === 'MessageEdited') {
      this.#messages.set(seq, { ...message, text: stringOf(event.data.text) ?? message.text, editedAtRev: event.rev });
    } else if (event.type === 'MessageRedacted') {
      this.#messages.set(seq, { ...message, text: '', redactedAtRev: event.rev });
    }
  }
}
