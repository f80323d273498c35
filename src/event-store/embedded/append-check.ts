/**
 * Whether an append may go ahead: EventStoreDB's rules of expected revisions and recognised repeats
 * (docs/event-store.md). Pure, over the accepted state of one stream.
 */
import { StreamDeletedError, WrongExpectedRevisionError } from '../errors.ts';
import type { EventData, ExpectedRevision } from '../event-store.ts';
import type { StreamState } from './streams.ts';

export type AppendCheck =
  /** Write the events. */
  | { readonly kind: 'append' }
  /** All were there already: answer with this revision. */
  | { readonly kind: 'repeat'; readonly revision: number }
  /** The ids that stand from this revision on decide: repeat if all match, else wrong. */
  | { readonly kind: 'compare'; readonly from: number };

export interface CheckedStream {
  readonly name: string;
  readonly state: StreamState;
  /** Whether its metadata stream has an event. */
  readonly hasMetadata: boolean;
}

/**
 * @param recent the remembered revision of an event id in this stream
 * @throws WrongExpectedRevisionError, StreamDeletedError
 */
export function checkAppend(
  stream: CheckedStream,
  events: readonly EventData[],
  expected: ExpectedRevision,
  recent: (id: string) => number | undefined,
): AppendCheck {
  const { state } = stream;
  if (state.tombstoned) throw new StreamDeletedError(stream.name);
  const softDeleted = state.limits.truncateBefore === Infinity;
  const wrong = (): Error => new WrongExpectedRevisionError(stream.name, expected, BigInt(state.head));
  if (expected === 'stream-exists') {
    if (softDeleted) throw new StreamDeletedError(stream.name);
    if (state.head < 0 && !stream.hasMetadata) throw wrong();
  }
  if (expected === 'any' || expected === 'stream-exists') return checkByIds(events, recent, wrong);

  const wanted = expected === 'no-stream' ? -1 : Number(expected);
  if (wanted === state.head || (expected === 'no-stream' && softDeleted)) return { kind: 'append' };
  if (wanted > state.head || events.length === 0 || wanted + events.length > state.head) throw wrong();
  return { kind: 'compare', from: wanted + 1 };
}

function checkByIds(
  events: readonly EventData[],
  recent: (id: string) => number | undefined,
  wrong: () => Error,
): AppendCheck {
  let last: number | undefined;
  for (const [i, event] of events.entries()) {
    const revision = recent(event.id);
    if (revision === undefined) {
      if (i === 0) return { kind: 'append' };
      throw wrong();
    }
    last = revision;
  }
  return last === undefined ? { kind: 'append' } : { kind: 'repeat', revision: last };
}
