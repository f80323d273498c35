/**
 * Exports a tenant's conversations: every message that the log holds when the export begins, one line each. Conversations
 * come in the order in which they began in the log, each whole and in its own order, so that two exports of one log
 * agree. Memory holds a page of events, and of the conversation being written the ids of its messages and where its
 * edits stand; a reader that is slow is waited for.
 */
import { setImmediate } from 'node:timers/promises';
import type { Recorded } from '../domain/decider.ts';
import type { ConversationEvent } from '../domain/conversation/events.ts';
import { streamName } from '../domain/stream-name.ts';
import type { EventStore, RecordedEvent } from '../event-store/event-store.ts';
import { StreamDeletedError, StreamNotFoundError } from '../event-store/errors.ts';
import { RequestError } from '../errors.ts';
import { exportLine, lineId } from './export-line.ts';
import type { Amendments, EditedMessage, ExportLine, PostedMessage, RedactedMessage } from './export-line.ts';

export interface ExportScope {
  readonly tenant: string;
  /** Absent: all of the tenant's. */
  readonly conversation?: string | undefined;
  /** Messages at or after it, ms since 1970, UTC. */
  readonly from?: number | undefined;
  /** Messages before it. */
  readonly to?: number | undefined;
}

/**
 * Lines a page at a time; no page is empty.
 *
 * @throws RequestError `unknown-room` before the first page, where a conversation was named that is not there
 */
export type ExportConversations = (scope: ExportScope) => AsyncGenerator<readonly ExportLine[]>;

export interface ExportOptions {
  readonly store: EventStore;
  /** The part of the event serializer that reads. */
  readonly opener: { open(batch: readonly RecordedEvent[]): Promise<Recorded<ConversationEvent>[]> };
}

/** Opening seals holds the event loop for so many at a time, a millisecond or two: others get their turn in between. */
const PAGE_EVENTS_MAX = 64;
const PAGE_BYTES_MAX = 1_048_576;

export function createExport(options: ExportOptions): ExportConversations {
  return async function* (scope) {
    const end = await lastPosition(options.store);
    for await (const stream of streamsOf(options.store, scope, end))
      yield* new ConversationExport(options, scope, stream, end).pages();
  };
}

/** What the export ends with; -1n: the log is empty. */
async function lastPosition(store: EventStore): Promise<bigint> {
  for await (const { position } of store.readAll({ direction: 'backwards', maxCount: 1 })) return position;
  return -1n;
}

async function* streamsOf(
  store: EventStore,
  { tenant, conversation }: ExportScope,
  end: bigint,
): AsyncGenerator<string> {
  if (conversation !== undefined) {
    const stream = streamName('conversation', tenant, conversation);
    if ((await store.streamBounds(stream)).head < 0n)
      throw new RequestError('unknown-room', 'There is no such conversation.', { path: 'conversation' });
    yield stream;
    return;
  }
  const prefixes = [streamName('conversation', tenant, '')];
  for await (const { stream, revision, position } of store.readAll({ filter: { by: 'stream', prefixes } })) {
    if (position > end) return;
    if (revision === 0n) yield stream;
  }
}

/** Where the changes of one message stand in its stream. */
interface AmendedAt {
  edit?: bigint;
  redaction?: bigint;
}

class ConversationExport {
  private readonly options: ExportOptions;
  private readonly scope: ExportScope;
  private readonly stream: string;
  private readonly conversation: string;
  private readonly end: bigint;
  /** By `seq`. */
  private readonly amended = new Map<number, AmendedAt>();
  /** The line id of each message, by `seq`. */
  private readonly ids = new Map<number, string>();

  constructor(options: ExportOptions, scope: ExportScope, stream: string, end: bigint) {
    this.options = options;
    this.scope = scope;
    this.stream = stream;
    this.conversation = stream.slice(streamName('conversation', scope.tenant, '').length);
    this.end = end;
  }

  async *pages(): AsyncGenerator<readonly ExportLine[]> {
    for await (const run of this.read(({ type }) => type === 'MessageEdited' || type === 'MessageRedacted'))
      for (const { event, revision } of run) this.noteAmendment(event, revision);
    for await (const run of this.read(({ type }) => type === 'MessagePosted')) {
      const lines: ExportLine[] = [];
      for (const posted of run as PostedMessage[]) {
        this.ids.set(posted.event.data.seq, lineId(posted));
        if (this.isInPeriod(posted.at)) lines.push(await this.lineOf(posted));
      }
      if (lines.length > 0) yield lines;
    }
  }

  private noteAmendment({ type, data }: ConversationEvent, revision: bigint): void {
    if (type !== 'MessageEdited' && type !== 'MessageRedacted') return;
    const known = this.amended.get(data.seq) ?? {};
    known[type === 'MessageEdited' ? 'edit' : 'redaction'] = revision;
    this.amended.set(data.seq, known);
  }

  private isInPeriod(at: number): boolean {
    const { from = -Infinity, to = Infinity } = this.scope;
    return at >= from && at < to;
  }

  private async lineOf(posted: PostedMessage): Promise<ExportLine> {
    const { seq, replyTo } = posted.event.data;
    const amended = this.amended.get(seq);
    const amendments: Amendments = {
      edit: (await this.readOne(amended?.edit)) as EditedMessage | undefined,
      redaction: (await this.readOne(amended?.redaction)) as RedactedMessage | undefined,
    };
    const answered = replyTo === undefined ? undefined : this.ids.get(replyTo);
    return exportLine(this.conversation, posted, amendments, answered);
  }

  private async readOne(revision: bigint | undefined): Promise<Recorded<ConversationEvent> | undefined> {
    if (revision === undefined) return undefined;
    for await (const event of this.options.store.readStream(this.stream, { from: revision, maxCount: 1 }))
      return (await this.options.opener.open([event]))[0];
    return undefined;
  }

  /** What the log held of the stream when the export began, in pages; of a stream that is gone, nothing. */
  private async *read(isAsked: (event: RecordedEvent) => boolean): AsyncGenerator<Recorded<ConversationEvent>[]> {
    const { store, opener } = this.options;
    let page: RecordedEvent[] = [];
    let bytes = 0;
    try {
      for await (const event of store.readStream(this.stream)) {
        if (event.position > this.end) break;
        if (!isAsked(event)) continue;
        page.push(event);
        bytes += event.data.length + event.metadata.length;
        if (page.length < PAGE_EVENTS_MAX && bytes < PAGE_BYTES_MAX) continue;
        yield await opener.open(page);
        await setImmediate();
        page = [];
        bytes = 0;
      }
    } catch (error) {
      if (!(error instanceof StreamNotFoundError || error instanceof StreamDeletedError)) throw error;
    }
    if (page.length > 0) yield await opener.open(page);
  }
}
