/**
 * Events on their way between threads: their bytes in one buffer that is handed over, the rest in columns. Cloning events
 * as they are would copy, for each of them, the whole page that its bytes are a view into.
 */
import type { RecordedEvent, SubscriptionMessage } from '../../event-store/event-store.ts';
import { Handed } from './calls.ts';

export interface PackedEvents {
  readonly streams: readonly string[];
  readonly ids: readonly string[];
  readonly types: readonly string[];
  readonly isJson: readonly boolean[];
  readonly revisions: BigInt64Array<ArrayBuffer>;
  readonly positions: BigInt64Array<ArrayBuffer>;
  readonly createdMs: Float64Array<ArrayBuffer>;
  /** Where each event's data and metadata end in `bytes`, in turn. */
  readonly ends: Uint32Array<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export type PackedMessage =
  { readonly kind: 'events'; readonly packed: PackedEvents } | Exclude<SubscriptionMessage, { kind: 'events' }>;

export function packEvents(events: readonly RecordedEvent[]): PackedEvents {
  const count = events.length;
  const bytes = new Uint8Array(events.reduce((sum, { data, metadata }) => sum + data.length + metadata.length, 0));
  const packed = {
    streams: events.map(({ stream }) => stream),
    ids: events.map(({ id }) => id),
    types: events.map(({ type }) => type),
    isJson: events.map(({ contentType }) => contentType === 'application/json'),
    revisions: BigInt64Array.from(events, ({ revision }) => revision),
    positions: BigInt64Array.from(events, ({ position }) => position),
    createdMs: Float64Array.from(events, ({ createdMs }) => createdMs),
    ends: new Uint32Array(count * 2),
    bytes,
  };
  let at = 0;
  events.forEach(({ data, metadata }, i) => {
    bytes.set(data, at);
    packed.ends[i * 2] = at += data.length;
    bytes.set(metadata, at);
    packed.ends[i * 2 + 1] = at += metadata.length;
  });
  return packed;
}

/** The events' bytes are views into the one buffer. */
export function unpackEvents(packed: PackedEvents): RecordedEvent[] {
  const { streams, ids, types, isJson, revisions, positions, createdMs, ends, bytes } = packed;
  let from = 0;
  return streams.map((stream, i) => {
    const dataEnd = ends[i * 2] ?? 0;
    const metadataEnd = ends[i * 2 + 1] ?? 0;
    const event: RecordedEvent = {
      ...{ stream, id: ids[i] ?? '', type: types[i] ?? '' },
      revision: revisions[i] ?? 0n,
      position: positions[i] ?? 0n,
      createdMs: createdMs[i] ?? 0,
      data: bytes.subarray(from, dataEnd),
      metadata: bytes.subarray(dataEnd, metadataEnd),
      contentType: isJson[i] === false ? 'application/octet-stream' : 'application/json',
    };
    from = metadataEnd;
    return event;
  });
}

export function handMessage(message: SubscriptionMessage): Handed<PackedMessage> {
  if (message.kind !== 'events') return new Handed(message, []);
  const packed = packEvents(message.events);
  return new Handed<PackedMessage>({ kind: 'events', packed }, [packed.bytes.buffer]);
}
