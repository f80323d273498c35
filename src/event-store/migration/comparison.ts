/**
 * Two logs held against each other, event by event in the order of `$all`. A copy holds all that the source holds, and
 * nothing else but fillers, which stand for revisions that the source has given back to the disk.
 */
import { createHash } from 'node:crypto';
import type { EventStore, RecordedEvent } from '../event-store.ts';
import { isMetadataStream } from '../metadata.ts';

/** The mark of the end of a stream: int64's maximum. */
const TOMBSTONE_REVISION = 2n ** 63n - 1n;
const TOMBSTONE_TYPE = '$streamDeleted';
/** Stands in a copy where the source's event was scavenged; below the stream's truncation, so that nobody reads it. */
export const FILLER_TYPE = 'ScavengedBeforeMigration';

export type Comparison =
  /** Both ended together. `isOneLog`: positions and times too are the same throughout, as no copy has them. */
  | { readonly kind: 'equal'; readonly events: number; readonly isOneLog: boolean }
  /** The target ended first; the source goes on behind `after`. */
  | { readonly kind: 'begun'; readonly events: number; readonly after: bigint | undefined }
  /** The source ended first; this is what the target holds beyond. */
  | { readonly kind: 'beyond'; readonly events: number; readonly rest: readonly RecordedEvent[] }
  | {
      readonly kind: 'different';
      readonly events: number;
      readonly source: RecordedEvent;
      readonly target: RecordedEvent;
    };

/** The target is no begun copy of the source, or the copy is not what the source is. */
export class MigrationRefusedError extends Error {
  override readonly name = 'MigrationRefusedError';
}

/** Of what the target holds beyond the source, so many are told. */
const BEYOND_MAX = 2;

export async function compareLogs(
  source: Pick<EventStore, 'readAll'>,
  target: Pick<EventStore, 'readAll'>,
  onEvent: (event: RecordedEvent, events: number) => void,
): Promise<Comparison> {
  const [ours, theirs] = [migrated(source)[Symbol.asyncIterator](), migrated(target)[Symbol.asyncIterator]()];
  let events = 0;
  let after: bigint | undefined;
  let isOneLog = true;
  try {
    let theirsNext = await theirs.next();
    for (;;) {
      const oursNext = await ours.next();
      if (oursNext.done === true) {
        const rest: RecordedEvent[] = [];
        for (; theirsNext.done !== true && rest.length < BEYOND_MAX; theirsNext = await theirs.next())
          rest.push(theirsNext.value);
        return rest.length === 0
          ? { kind: 'equal', events, isOneLog: isOneLog && events > 0 }
          : { kind: 'beyond', events, rest };
      }
      const mine = oursNext.value;
      while (theirsNext.done !== true && !sameEvent(mine, theirsNext.value) && fillsUpTo(theirsNext.value, mine))
        theirsNext = await theirs.next();
      if (theirsNext.done === true) return { kind: 'begun', events, after };
      if (!sameEvent(mine, theirsNext.value))
        return { kind: 'different', events, source: mine, target: theirsNext.value };
      events += 1;
      after = mine.position;
      const { position, createdMs } = theirsNext.value;
      isOneLog &&= mine.position === position && mine.createdMs === createdMs;
      onEvent(mine, events);
      theirsNext = await theirs.next();
    }
  } finally {
    await ours.return(undefined);
    await theirs.return(undefined);
  }
}

/** Everything of a log but what belongs to the server it is on: its own streams, and their metadata. */
export async function* migrated(
  store: Pick<EventStore, 'readAll'>,
  after?: bigint,
): AsyncGenerator<RecordedEvent, undefined> {
  for await (const event of store.readAll(after === undefined ? {} : { from: after }))
    if (event.position !== after && isMigrated(event.stream)) yield event;
  return undefined;
}

function isMigrated(stream: string): boolean {
  return !stream.startsWith('$') || (isMetadataStream(stream) && !stream.startsWith('$$$'));
}

export function isTombstone({ type, revision }: RecordedEvent): boolean {
  return type === TOMBSTONE_TYPE && revision === TOMBSTONE_REVISION;
}

/** But for its position and the time at which its log took it. */
function sameEvent(a: RecordedEvent, b: RecordedEvent): boolean {
  if (a.stream !== b.stream || a.revision !== b.revision || a.type !== b.type) return false;
  // The server makes a tombstone, with an id of its own.
  if (isTombstone(a)) return true;
  return (
    a.id === b.id &&
    a.contentType === b.contentType &&
    Buffer.compare(a.data, b.data) === 0 &&
    Buffer.compare(a.metadata, b.metadata) === 0
  );
}

function fillsUpTo(filler: RecordedEvent, next: RecordedEvent): boolean {
  if (filler.type !== FILLER_TYPE || filler.stream !== next.stream || filler.revision >= next.revision) return false;
  return filler.id === fillerId(filler.stream, filler.revision);
}

/** The same for the same place, so that a filler is recognised as one. */
export function fillerId(stream: string, revision: bigint): string {
  const hex = createHash('sha256')
    .update(`${FILLER_TYPE} ${stream} ${String(revision)}`)
    .digest('hex');
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ];
  return parts.join('-');
}
