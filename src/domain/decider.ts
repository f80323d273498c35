/**
 * The frame every aggregate fills in: a pure decider, and the fold of a stream that keeps, beside the aggregate's
 * state, what makes a command happen once for life (DOMAIN.md, "Once, for life").
 */

export type Role = 'visitor' | 'agent' | 'supervisor' | 'auditor' | 'bot' | 'service';

export interface Actor {
  /** An opaque id, never a name. */
  readonly id: string;
  readonly role: Role;
}

/** `import`: the event tells of the past and fires no process. */
export type Origin = 'live' | 'import';

export interface DomainEvent {
  readonly type: string;
  readonly data: object;
}

/** What stands around a decision. `at` is milliseconds since 1970, UTC, never before the stream's last event. */
export interface DecisionContext {
  readonly actor: Actor;
  readonly at: number;
  readonly origin: Origin;
}

/** A domain event with its place in the stream and who caused it, as `evolve` and views see it. */
export interface Recorded<Event extends DomainEvent = DomainEvent> {
  readonly event: Event;
  readonly id: string;
  readonly stream: string;
  readonly revision: bigint;
  readonly position: bigint;
  readonly at: number;
  readonly actor: Actor;
  readonly origin: Origin;
  readonly commandId: string | undefined;
  readonly commandDigest: string | undefined;
}

export interface Decider<Command extends DomainEvent, Event extends DomainEvent, State> {
  readonly initialState: () => State;
  /** Pure. Nothing decided is an empty list. @throws Rejection where a rule says no. */
  readonly decide: (command: Command, state: State, context: DecisionContext) => readonly Event[];
  /** Total and deterministic. The fold owns its state: `evolve` may update it in place and give it back. */
  readonly evolve: (state: State, recorded: Recorded<Event>) => State;
  /** An event that no caller's `expectedRevision` is about: it still holds when only such events followed. */
  readonly isIncidental?: (event: Event) => boolean;
}

/** The business said no: `code` is kebab-case and stable, `message` carries the facts. */
export class Rejection extends Error {
  override readonly name = 'Rejection';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** What a command that appended did, for life: the first and last revision of its events. */
export interface CommandRecord {
  readonly first: bigint;
  readonly last: bigint;
  readonly position: bigint;
  /** Keyed digest of the command's content, to tell a repeat from another command under the same id. */
  readonly digest: string | undefined;
}

/** A stream folded: the aggregate's state, and every command id it has seen. */
export interface Folded<State> {
  state: State;
  /** The stream's last revision, -1n where there is none. */
  revision: bigint;
  /** The lowest `expectedRevision` of a caller that holds: what follows it is incidental. */
  expectableFrom: bigint;
  position: bigint | undefined;
  /** Time of the last event; 0 where there is none. */
  at: number;
  readonly commands: Map<string, CommandRecord>;
}

export function emptyFold<State>(decider: { readonly initialState: () => State }): Folded<State> {
  const state = decider.initialState();
  return { state, revision: -1n, expectableFrom: -1n, position: undefined, at: 0, commands: new Map() };
}

/** Takes the next event of the stream into the fold, in place. */
export function foldNext<Event extends DomainEvent, State>(
  decider: Pick<Decider<never, Event, State>, 'evolve' | 'isIncidental'>,
  folded: Folded<State>,
  recorded: Recorded<Event>,
): void {
  folded.state = decider.evolve(folded.state, recorded);
  folded.revision = recorded.revision;
  if (decider.isIncidental?.(recorded.event) !== true) folded.expectableFrom = recorded.revision;
  folded.position = recorded.position;
  folded.at = Math.max(folded.at, recorded.at);
  if (recorded.commandId === undefined) return;
  const seen = folded.commands.get(recorded.commandId);
  folded.commands.set(recorded.commandId, {
    first: seen?.first ?? recorded.revision,
    last: recorded.revision,
    position: recorded.position,
    digest: recorded.commandDigest,
  });
}
