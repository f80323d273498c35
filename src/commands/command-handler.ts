/**
 * The handler of an aggregate's commands: load, fold, decide, append with the revision it decided on.
 *
 * A command's turn in the queue of its stream: its id is looked up in the fold (a known one answers its first ack);
 * it is decided, and appended with an exact expected revision. On a conflict with another node, what followed is read
 * and it is decided again, at most `conflictRetriesMax` times. A fold from the cache may be behind another node's
 * writes: the append finds that out where there is one, and where there is none (a refusal, or nothing to change)
 * what followed is read before it is said.
 */
import { setTimeout } from 'node:timers/promises';
import type { Clock } from '../domain/clock.ts';
import { emptyFold, foldNext } from '../domain/decider.ts';
import type { CommandRecord, DomainEvent, Folded, Recorded } from '../domain/decider.ts';
import { ConcurrencyError, RequestError } from '../errors.ts';
import { AppendTooLargeError, StreamDeletedError } from '../event-store/errors.ts';
import type { AppendResult, EventData, EventStore } from '../event-store/event-store.ts';
import type { SubjectId } from '../keyring/keyring.ts';
import type { EventSerializer } from '../schemas/event-serializer.ts';
import type { CommandAck, CommandRequest, Commands } from './commands.ts';
import { checkId, decideOn, envelopeOf, firstAck, streamOf } from './decision.ts';
import type { Aggregate, Decision } from './decision.ts';
import { eventId } from './derived-ids.ts';
import type { TenantKeys } from './derived-ids.ts';
import { FoldCache } from './fold-cache.ts';
import type { FoldCacheLimits } from './fold-cache.ts';
import { deleted, foldStream } from './fold-stream.ts';
import { bytesOf, StreamQueues } from './stream-queues.ts';
import type { StreamQueueLimits } from './stream-queues.ts';

export interface CommandLimits extends StreamQueueLimits, FoldCacheLimits {
  /** Decisions taken again after another node was first. */
  readonly conflictRetriesMax: number;
  /** Bound of the wait before the first such retry, in ms; it doubles with each, and the wait is a random part of it. */
  readonly conflictDelayMs: number;
}

export const COMMAND_LIMITS: CommandLimits = {
  queueLengthMax: 1_000,
  commandsInFlightMax: 20_000,
  commandsInFlightBytesMax: 67_108_864,
  foldsMax: 10_000,
  foldedEventsMax: 200_000,
  conflictRetriesMax: 5,
  conflictDelayMs: 10,
};

export interface CommandHandlerOptions<Event extends DomainEvent> {
  readonly store: Pick<EventStore, 'append' | 'readStream' | 'streamBounds'>;
  readonly serializer: EventSerializer<Event>;
  readonly keys: TenantKeys;
  readonly clock: Clock;
  /** Whether the personal data of one of them was erased. Default: nobody's ever was. */
  readonly isErased?: (subjects: readonly SubjectId[]) => Promise<boolean>;
  /** What is not given is as in COMMAND_LIMITS. */
  readonly limits?: Partial<CommandLimits>;
  /** In [0, 1). */
  readonly random?: () => number;
  readonly delay?: (ms: number) => Promise<unknown>;
}

export interface CommandHandlerStats {
  /** Commands running or waiting, what they hold in memory, and the streams they are on. */
  readonly inFlight: number;
  readonly bytesInFlight: number;
  readonly streams: number;
  /** What the cache holds. */
  readonly folds: number;
  readonly foldedEvents: number;
  /** Appends that met another node's, since the start. */
  readonly conflicts: number;
}

export interface CommandHandler<Command, State, Event extends DomainEvent = DomainEvent> extends Commands<
  Command,
  State
> {
  stats(): CommandHandlerStats;
  /** Whether `load` would read nothing. */
  isFolded(stream: string): boolean;
  /**
   * Somebody else has read a stream from revision 0 to its durable head: where nothing is folded of it, it is from this,
   * and need not be read again. What comes twice is left out.
   */
  takeWhole(stream: string, events: readonly Recorded<Event>[]): void;
}

export function createCommandHandler<Command extends DomainEvent, Event extends DomainEvent, State>(
  aggregate: Aggregate<Command, Event, State>,
  options: CommandHandlerOptions<Event>,
): CommandHandler<Command, State, Event> {
  return new Handler(aggregate, options);
}

class Handler<Command extends DomainEvent, Event extends DomainEvent, State> implements CommandHandler<
  Command,
  State,
  Event
> {
  private readonly aggregate: Aggregate<Command, Event, State>;
  private readonly options: CommandHandlerOptions<Event>;
  private readonly limits: CommandLimits;
  private readonly random: () => number;
  private readonly delay: (ms: number) => Promise<unknown>;
  private readonly queues: StreamQueues;
  private readonly folds: FoldCache<State>;
  /** Whole streams being read, so that all who ask at the same time share one reading. */
  private readonly reading = new Map<string, Promise<Folded<State>>>();
  private conflicts = 0;

  constructor(aggregate: Aggregate<Command, Event, State>, options: CommandHandlerOptions<Event>) {
    this.aggregate = aggregate;
    this.options = options;
    this.limits = { ...COMMAND_LIMITS, ...options.limits };
    this.random = options.random ?? Math.random;
    this.delay = options.delay ?? setTimeout;
    this.queues = new StreamQueues(this.limits);
    this.folds = new FoldCache(this.limits);
  }

  async handle(request: CommandRequest<Command>): Promise<CommandAck> {
    const stream = streamOf(this.aggregate.category, request.tenant, request.id);
    checkId('commandId', request.commandId);
    return this.queues.run(stream, bytesOf(request.command.data), () => this.takeTurn(stream, request));
  }

  async load(tenant: string, id: string): Promise<Folded<State>> {
    const stream = streamOf(this.aggregate.category, tenant, id);
    return this.folds.get(stream) ?? this.read(stream);
  }

  stats(): CommandHandlerStats {
    return { ...this.queues.stats(), ...this.folds.stats(), conflicts: this.conflicts };
  }

  isFolded(stream: string): boolean {
    return this.folds.get(stream) !== undefined;
  }

  takeWhole(stream: string, events: readonly Recorded<Event>[]): void {
    if (this.folds.get(stream) !== undefined || this.reading.has(stream)) return;
    const folded = emptyFold(this.aggregate.decider);
    for (const recorded of events) {
      if (recorded.revision <= folded.revision) continue;
      if (recorded.revision > folded.revision + 1n) return;
      foldNext(this.aggregate.decider, folded, recorded);
    }
    if (folded.revision >= 0n) this.folds.set(stream, folded);
  }

  private async takeTurn(stream: string, request: CommandRequest<Command>): Promise<CommandAck> {
    const { tenant, actor, command, commandId } = request;
    const digest = this.options.keys.commandDigest(tenant, actor.id, command);
    const folded = this.folds.get(stream) ?? (await this.read(stream));
    let upToDate = false;
    for (let retries = 0; ;) {
      const known = folded.commands.get(commandId);
      if (known !== undefined) return this.repeat(known, digest, folded, request);
      const decision = decideOn(this.aggregate, folded, request, this.options.clock);
      if (decision.kind === 'append') {
        const ack = await this.append(stream, folded, request, digest, decision);
        if (ack !== undefined) return ack;
        this.conflicts += 1;
        if (retries === this.limits.conflictRetriesMax) throw alwaysSecond(stream, retries);
        await this.delay(this.random() * this.limits.conflictDelayMs * 2 ** retries);
        retries += 1;
      } else if (upToDate) {
        if (decision.kind === 'refused') throw decision.error;
        return { first: null, last: folded.revision, position: folded.position ?? null, duplicate: false };
      }
      await this.refresh(stream, folded);
      upToDate = true;
    }
  }

  /** What was said under an id cannot be told any more once it was erased, so any content passes for it. */
  private async repeat(
    known: CommandRecord,
    digest: string,
    { state }: Readonly<Folded<State>>,
    request: CommandRequest<Command>,
  ): Promise<CommandAck> {
    const { tenant } = request;
    const { isErased } = this.options;
    if (isErased !== undefined && known.digest !== digest) {
      const subjects = Object.values(this.aggregate.subjectsOf([], state, request));
      if (await isErased(subjects.map(subject => ({ tenant, subject })))) return firstAck(known, known.digest);
    }
    return firstAck(known, digest);
  }

  /** Undefined: another node was first. */
  private async append(
    stream: string,
    folded: Folded<State>,
    request: CommandRequest<Command>,
    digest: string,
    decision: Extract<Decision<Event>, { kind: 'append' }>,
  ): Promise<CommandAck | undefined> {
    const { events, at, origin } = decision;
    const { actor, commandId } = request;
    const ids = events.map((_, index) => eventId(stream, commandId, digest, index));
    const envelope = envelopeOf(request, digest, decision);
    const subjects = this.aggregate.subjectsOf(events, folded.state, request);
    const eventData = await this.options.serializer.toEventData({ stream, events, ids, envelope, subjects });
    const result = await this.tryAppend(stream, eventData, folded.revision);
    if (result === undefined) return undefined;
    const { revision: last, position } = result;
    const first = last - BigInt(events.length) + 1n;
    if (first !== folded.revision + 1n) {
      // The stream was deleted since it was read, and goes on counting: the fold is not of what it holds now.
      this.folds.delete(stream);
      return { first, last, position, duplicate: false };
    }
    for (const [index, event] of events.entries()) {
      // Only the last event's position is told, and only that of a command's last event is ever asked for.
      const place = { id: ids[index] ?? '', stream, revision: first + BigInt(index), position, at };
      foldNext(this.aggregate.decider, folded, { ...place, event, actor, origin, commandId, commandDigest: digest });
    }
    this.folds.set(stream, folded);
    return { first, last, position, duplicate: false };
  }

  /** Undefined: the stream is not at the revision that was decided on. */
  private async tryAppend(
    stream: string,
    events: readonly EventData[],
    revision: bigint,
  ): Promise<(Required<AppendResult> & { readonly position: bigint }) | undefined> {
    try {
      const expectedRevision = revision < 0n ? 'no-stream' : revision;
      const result = await this.options.store.append(stream, events, { expectedRevision });
      if (result.position === undefined) throw new Error(`An append to ${stream} answered no position.`);
      return { revision: result.revision, position: result.position };
    } catch (error) {
      if (error instanceof ConcurrencyError) return undefined;
      // Whether the events are in the log is not known, so the fold has to be read again.
      this.folds.delete(stream);
      if (error instanceof StreamDeletedError) throw deleted(stream);
      if (error instanceof AppendTooLargeError) throw new RequestError('too-large', error.message, { cause: error });
      throw error;
    }
  }

  private read(stream: string): Promise<Folded<State>> {
    const running = this.reading.get(stream);
    if (running !== undefined) return running;
    const reading = this.readWhole(stream).finally(() => this.reading.delete(stream));
    this.reading.set(stream, reading);
    return reading;
  }

  private async readWhole(stream: string): Promise<Folded<State>> {
    const folded = emptyFold(this.aggregate.decider);
    await this.fold(stream, folded);
    const kept = this.folds.get(stream);
    if (kept !== undefined && kept.revision >= folded.revision) return kept;
    if (folded.revision >= 0n) this.folds.set(stream, folded);
    return folded;
  }

  private fold(stream: string, folded: Folded<State>): Promise<void> {
    return foldStream(this.options.store, this.options.serializer, this.aggregate.decider, stream, folded);
  }

  /** Takes in what followed a fold; one that cannot be brought up to date is of no use any more. */
  private async refresh(stream: string, folded: Folded<State>): Promise<void> {
    try {
      await this.fold(stream, folded);
      if (folded.revision >= 0n) this.folds.set(stream, folded);
    } catch (error) {
      this.folds.delete(stream);
      throw error;
    }
  }
}

function alwaysSecond(stream: string, retries: number): RequestError {
  const message = `Others wrote to ${stream} first, ${retries + 1} times in a row.`;
  return new RequestError('revision-conflict', message, { retryAfterMs: 100 });
}
