/** What a person does in the room on display. Each is a command, shown as on its way until it is answered. */
import type { RoomView, Writing } from './room-view.ts';

/** Where it was never asked for: the staff's own, no visitor is told. */
const REOPEN_REASON = 'Not done yet';

export interface RoomCommandsOptions {
  /** Answers the command's id, or undefined where too many are waiting already. */
  readonly send: (room: string, command: string, data: object) => string | undefined;
  readonly view: () => RoomView;
  readonly online: () => boolean;
  readonly changed: () => void;
}

export class RoomCommands {
  readonly #options: RoomCommandsOptions;

  constructor(options: RoomCommandsOptions) {
    this.#options = options;
  }

  write(kind: Writing, text: string): void {
    const view = this.#options.view();
    const id = this.#options.send(view.room, kind === 'note' ? 'AddNote' : 'PostMessage', { text });
    if (id === undefined) return;
    const state = this.#options.online() ? 'sending' : 'queued';
    view.posts.set(id, { id, kind, text, state, why: undefined });
    this.#options.changed();
  }

  discard(id: string): void {
    this.#options.view().posts.delete(id);
    this.#options.changed();
  }

  edit(seq: number, text: string): void {
    this.#change(seq, text, 'EditMessage', { seq, text });
  }

  redact(seq: number): void {
    this.#change(seq, undefined, 'RedactMessage', { seq });
  }

  resolve(): void {
    this.#act('ResolveConversation', {});
  }

  reopen(): void {
    this.#act('ReopenConversation', { reason: REOPEN_REASON });
  }

  /** `score` from 1 to 5. */
  rate(score: number, comment: string): void {
    this.#act('RateConversation', comment === '' ? { score } : { score, comment });
  }

  /** Tags are keys: what was typed is brought into their shape. */
  addTag(typed: string): void {
    const tag = typed.trim().toLowerCase().replaceAll(/\s+/gu, '-');
    if (tag !== '') this.#act('AddTag', { tag });
  }

  removeTag(tag: string): void {
    this.#act('RemoveTag', { tag });
  }

  setPriority(priority: string): void {
    this.#act('SetPriority', { priority });
  }

  #change(seq: number, text: string | undefined, command: string, data: object): void {
    const view = this.#options.view();
    const id = this.#options.send(view.room, command, data);
    if (id !== undefined) view.changes.set(seq, { id, text });
    view.problem = undefined;
    this.#options.changed();
  }

  #act(command: string, data: object): void {
    const view = this.#options.view();
    const id = this.#options.send(view.room, command, data);
    if (id !== undefined) view.acts.add(id);
    view.problem = undefined;
    this.#options.changed();
  }
}
