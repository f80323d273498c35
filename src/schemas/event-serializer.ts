/**
 * Events of the domain to bytes of the log and back: the envelope, schema numbers, upcasts, and the codec that seals
 * personal fields.
 *
 * What is trusted: the log is written by this product alone, through a decider, and checksummed by its store. So an
 * event of the current schema number is parsed as JSON and taken at its word; its envelope is checked for the fields
 * everything else stands on. An event of an older number is rare, and is parsed in full before it is upcast. What
 * cannot be read, or is newer than this code, throws and is never skipped.
 */
import type { DomainEvent, Recorded } from '../domain/decider.ts';
import type { EventData, RecordedEvent } from '../event-store/event-store.ts';
import type { Codec, SealField } from '../keyring/codec.ts';
import type { Envelope, StoredEnvelope } from './envelope.ts';
import { CorruptEventError, UnknownSchemaError, upcast } from './event-schemas.ts';
import type { EventSchema, EventSchemas } from './event-schemas.ts';
import { personalFields } from './personal.ts';
import type { PersonalField, Subject } from './personal.ts';

/** The opaque id behind each kind of subject that an aggregate's events have. */
export type Subjects = Readonly<Partial<Record<Subject, string>>>;

/** What one command decided, on its way into the log. */
export interface Decided<Event extends DomainEvent> {
  readonly stream: string;
  readonly events: readonly Event[];
  /** The id of each event, UUIDs, in the same order. */
  readonly ids: readonly string[];
  readonly envelope: Envelope;
  readonly subjects: Subjects;
}

/** Of one kind of aggregate. */
export interface EventSerializer<Event extends DomainEvent> {
  readonly codec: { readonly name: string };
  toEventData(decided: Decided<Event>): Promise<EventData[]>;
  /**
   * Opens what was read of such aggregates, in order; a batch costs one call of the codec.
   *
   * @throws CorruptEventError, UnknownSchemaError
   */
  open(batch: readonly RecordedEvent[]): Promise<Recorded<Event>[]>;
}

interface StoredType {
  readonly schemas: EventSchema;
  readonly number: number;
  readonly fields: readonly PersonalField[];
}

type StoredTypes = ReadonlyMap<string, StoredType>;

function storedTypesOf(eventSchemas: Readonly<Record<string, EventSchema>>): StoredTypes {
  return new Map(
    Object.entries(eventSchemas).map(([type, schemas]) => {
      const fields = personalFields(schemas.current);
      return [type, { schemas, number: schemas.older.length + 1, fields }];
    }),
  );
}

export function createEventSerializer<Event extends DomainEvent>({
  codec,
  schemas,
}: {
  readonly codec: Codec;
  readonly schemas: EventSchemas<Event>;
}): EventSerializer<Event> {
  const types = storedTypesOf(schemas);
  const storedType = (type: string): StoredType => types.get(type) ?? missing(`schema of ${type}`, 0);
  return {
    codec,

    async toEventData({ stream, events, ids, envelope, subjects }) {
      const sealed = await codec.seal(
        events.map(({ type, data }, i) => ({
          tenant: envelope.tenant,
          stream,
          id: ids[i] ?? missing('event id', i),
          data,
          fields: sealFields(storedType(type), subjects),
        })),
      );
      return events.map(({ type }, i) => ({
        id: ids[i] ?? missing('event id', i),
        type,
        data: Buffer.from(JSON.stringify(sealed[i] ?? missing('sealed event', i))),
        metadata: Buffer.from(JSON.stringify(toStored(envelope, storedType(type).number))),
        contentType: 'application/json' as const,
      }));
    },

    async open(batch) {
      const parsed = batch.map(recorded => parse(recorded, types));
      const opened = await codec.open(parsed);
      return parsed.map((event, i) => toRecorded<Event>(event, opened[i] ?? missing('opened event', i)));
    },
  };
}

/** A broken promise of the codec or of the caller is a bug. */
function missing(what: string, index: number): never {
  throw new Error(`There is no ${what} at ${index}.`);
}

function sealFields({ fields }: StoredType, subjects: Subjects): SealField[] {
  return fields.map(({ path, subject }, i) => ({ path, subject: subjects[subject] ?? missing(subject, i) }));
}

function toStored(envelope: Envelope, schema: number): StoredEnvelope {
  return {
    $correlationId: envelope.correlationId,
    $causationId: envelope.causationId,
    actor: { id: envelope.actor.id, role: envelope.actor.role },
    tenant: envelope.tenant,
    commandId: envelope.commandId,
    commandDigest: envelope.commandDigest,
    occurredAt: new Date(envelope.occurredAt).toISOString(),
    origin: envelope.origin,
    schema,
    traceparent: envelope.traceparent,
  };
}

interface Parsed {
  readonly recorded: RecordedEvent;
  readonly stored: StoredType;
  readonly envelope: StoredEnvelope;
  readonly at: number;
  readonly tenant: string;
  readonly id: string;
  readonly stream: string;
  readonly data: object;
}

function parse(recorded: RecordedEvent, types: StoredTypes): Parsed {
  const { stream, revision, type } = recorded;
  const envelope = parseObject(recorded, recorded.metadata, 'metadata') as StoredEnvelope;
  const at = Date.parse(envelope.occurredAt);
  if (!Number.isInteger(envelope.schema) || envelope.schema < 1 || Number.isNaN(at) || !isActor(envelope.actor))
    throw new CorruptEventError(stream, revision, 'its metadata is no envelope of this product');
  const stored = types.get(type);
  if (stored === undefined || envelope.schema > stored.number)
    throw new UnknownSchemaError(stream, revision, type, envelope.schema, stored?.number ?? 0);
  const data = parseObject(recorded, recorded.data, 'data');
  return { recorded, stored, envelope, at, tenant: envelope.tenant, id: recorded.id, stream, data };
}

function isActor(actor: unknown): boolean {
  return typeof actor === 'object' && actor !== null && 'id' in actor && 'role' in actor;
}

function parseObject({ stream, revision }: RecordedEvent, bytes: Uint8Array, what: 'data' | 'metadata'): object {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch {
    // The parser's own words quote the text, which may be personal, so they are not kept.
    throw new CorruptEventError(stream, revision, `its ${what} is no JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CorruptEventError(stream, revision, `its ${what} is no JSON object`);
  return value;
}

function toRecorded<Event extends DomainEvent>(
  { recorded, stored, envelope, at }: Parsed,
  opened: object,
): Recorded<Event> {
  const { stream, revision } = recorded;
  let data: unknown = opened;
  if (envelope.schema < stored.number) {
    try {
      data = upcast(stored.schemas, envelope.schema, opened);
    } catch (cause) {
      throw new CorruptEventError(stream, revision, `its data is not of schema ${envelope.schema}`, cause);
    }
  }
  return {
    event: { type: recorded.type, data } as Event,
    id: recorded.id,
    stream,
    revision,
    position: recorded.position,
    at,
    actor: envelope.actor,
    origin: envelope.origin,
    commandId: envelope.commandId,
    commandDigest: envelope.commandDigest,
  };
}
