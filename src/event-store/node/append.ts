/** Streams.Append: the options, then one message an event; answered once, when all of it is durable. */
import { WrongExpectedRevisionError } from '../errors.ts';
import { appendTooLarge, handlerFailed, requiredMetadataMissing } from './rpc-errors.ts';
import { decodeAppend } from './stream-requests.ts';
import { encodeAppendConflict, encodeAppended } from './stream-responses.ts';
import type { EventData, EventStore } from '../event-store.ts';
import type { ProposedEvent, WriteOptions } from './stream-requests.ts';

/** The real server's limit on the data, metadata and type (two bytes a character) of one append. */
export const APPEND_BYTES_MAX = 1_048_576;
/** Events of no bytes cost memory too; so many of one byte would reach the limit above. */
const APPEND_EVENTS_MAX = 1_048_576;

/** @throws RpcError and what the store throws, but for a conflict */
export async function append(store: EventStore, messages: AsyncIterable<Buffer>): Promise<Buffer> {
  let options: WriteOptions | undefined;
  const events: EventData[] = [];
  let bytes = 0;
  for await (const message of messages) {
    const request = decodeAppend(message);
    if (request.kind === 'options') {
      if (options !== undefined) throw handlerFailed();
      options = request.options;
      continue;
    }
    if (options === undefined) throw handlerFailed();
    const event = typed(request.event);
    bytes += appendBytes(event);
    if (bytes > APPEND_BYTES_MAX || events.length >= APPEND_EVENTS_MAX) throw appendTooLarge(APPEND_BYTES_MAX);
    events.push(event);
  }
  if (options === undefined) throw handlerFailed();
  const { stream, expectedRevision } = options;
  try {
    const result = await store.append(stream, events, { expectedRevision });
    return encodeAppended({ ...result, isEmpty: events.length === 0 });
  } catch (error) {
    if (error instanceof WrongExpectedRevisionError) return encodeAppendConflict(error.expected, error.actual);
    throw error;
  }
}

function typed(event: ProposedEvent): EventData {
  if (event.type === undefined) throw requiredMetadataMissing('type');
  if (!event.hasContentType) throw requiredMetadataMissing('content-type');
  return { ...event, type: event.type };
}

/** Of one event, as the limit counts them. */
export function appendBytes({ data, metadata, type }: Pick<EventData, 'data' | 'metadata' | 'type'>): number {
  return data.length + metadata.length + type.length * 2;
}
