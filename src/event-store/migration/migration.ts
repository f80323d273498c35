/**
 * A log copied into another store, whichever two they are: streams, revisions, ids, types, data and metadata byte for byte,
 * in the order of `$all`. There is no file of progress: what the target holds is compared with the source from the first
 * event on, and the copy goes on where that ends, so that one that was cut off at any instant is taken up again, and a
 * target that holds anything else is refused. In the end everything is compared once more, and only then does the copy
 * get an id of its own, which ends it: cursors and clients of the source are told that this is another log.
 *
 * Positions are the target's own, and so is the time at which it took each event (`occurredAt` is in the metadata).
 */
import type { EventStore, RecordedEvent } from '../event-store.ts';
import { compareLogs, migrated, MigrationRefusedError } from './comparison.ts';
import { Copier } from './copier.ts';

export interface MigrationProgress {
  readonly phase: 'comparing' | 'copying' | 'verifying';
  readonly events: number;
  /** How far the source is read, from 0 to 1. */
  readonly part: number;
}

export interface MigrationResult {
  readonly events: number;
  /** Of these, there already when it began. */
  readonly already: number;
  /** Events that stand for scavenged ones. */
  readonly fillers: number;
  /** It was done before; nothing was written. */
  readonly wasDone: boolean;
}

export interface MigrationOptions {
  /** Gives the copy the id that ends it. */
  readonly renew: (target: EventStore) => Promise<void>;
  /** Whether this event, alone behind a whole copy, is that id. */
  readonly isRenewal: (event: RecordedEvent) => boolean;
  readonly onProgress: (progress: MigrationProgress) => void;
}

/** @throws MigrationRefusedError, and what the stores throw */
export async function migrateLog(
  source: EventStore,
  target: EventStore,
  { renew, isRenewal, onProgress }: MigrationOptions,
): Promise<MigrationResult> {
  const end = await lastPosition(source);
  const told = (phase: MigrationProgress['phase']) => (event: RecordedEvent, events: number) => {
    onProgress({ phase, events, part: end === 0n ? 1 : Math.min(1, Number(event.position) / Number(end)) });
  };
  const before = await compareLogs(source, target, told('comparing'));
  const already = before.events;
  if (before.kind === 'different') throw differs(before.source, before.target);
  if (before.kind === 'equal' && before.isOneLog)
    throw new MigrationRefusedError(
      'Source and target are the same log, by two names, or one is a backup of the other.',
    );
  if (before.kind === 'beyond') {
    const [first, second] = before.rest;
    if (first !== undefined && second === undefined && isRenewal(first))
      return { events: already, already, fillers: 0, wasDone: true };
    throw new MigrationRefusedError(
      `The target holds the whole source and more, from ${place(first)} on: it is in use already.`,
    );
  }
  const copier = new Copier(target);
  if (before.kind === 'begun') {
    try {
      let events = already;
      const tell = told('copying');
      for await (const event of migrated(source, before.after)) {
        await copier.add(event);
        events += 1;
        tell(event, events);
      }
      await copier.flush();
    } finally {
      await copier.settled();
    }
  }
  const after = await compareLogs(source, target, told('verifying'));
  if (after.kind === 'different') throw differs(after.source, after.target);
  if (after.kind === 'begun')
    throw new MigrationRefusedError('The source was written to meanwhile: stop what writes, and run it again.');
  if (after.kind === 'beyond')
    throw new MigrationRefusedError(`Somebody else writes to the target: it holds ${place(after.rest[0])} besides.`);
  await renew(target);
  return { events: after.events, already, fillers: copier.fillers, wasDone: false };
}

async function lastPosition(store: EventStore): Promise<bigint> {
  for await (const { position } of store.readAll({ direction: 'backwards', maxCount: 1 })) return position;
  return 0n;
}

function differs(source: RecordedEvent, target: RecordedEvent): MigrationRefusedError {
  return new MigrationRefusedError(
    `The target holds ${place(target)} (${target.id}) where the source has ${place(source)} (${source.id}): ` +
      'it is not a begun copy of this log. Name an empty one.',
  );
}

function place(event: RecordedEvent | undefined): string {
  return event === undefined ? 'nothing' : `${event.stream}@${String(event.revision)}`;
}
