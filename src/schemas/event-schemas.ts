/** The frame of stored shapes: per event type the current one, and the older ones with their way up. */
import type { z } from 'zod';
import type { DomainEvent } from '../domain/decider.ts';

/** A stored shape of the past and the pure function to the next one. */
export interface OlderSchema {
  readonly schema: z.ZodType;
  /** Bivariant on purpose: each step takes what its own `schema` yields. */
  upcast(data: unknown): unknown;
}

/** Schema numbers count from 1: `older[0]` is number 1, `current` is number `older.length + 1`. */
export interface EventSchema<Data = object> {
  readonly current: z.ZodType<Data>;
  readonly older: readonly OlderSchema[];
}

export type EventSchemas<Event extends DomainEvent> = {
  readonly [Type in Event['type']]: EventSchema<Extract<Event, { type: Type }>['data']>;
};

/**
 * An event of a type or a schema number that this version of the product does not know: a newer one wrote it.
 * Consumers stop at it, loudly, rather than guess.
 */
export class UnknownSchemaError extends Error {
  override readonly name = 'UnknownSchemaError';
  readonly stream: string;
  readonly revision: bigint;
  readonly type: string;
  readonly schema: number;
  constructor(stream: string, revision: bigint, type: string, schema: number, known: number) {
    const what = known === 0 ? 'a type this version does not know' : `newer than the ${known} this version knows`;
    super(`${stream}@${revision}: ${type} has schema ${schema}, ${what}.`);
    this.stream = stream;
    this.revision = revision;
    this.type = type;
    this.schema = schema;
  }
}

/** An event of the log that is not what its writer can have written. `cause` keeps what was wrong. */
export class CorruptEventError extends Error {
  override readonly name = 'CorruptEventError';
  readonly stream: string;
  readonly revision: bigint;
  constructor(stream: string, revision: bigint, what: string, cause?: unknown) {
    super(`${stream}@${revision} cannot be read: ${what}.`, cause === undefined ? undefined : { cause });
    this.stream = stream;
    this.revision = revision;
  }
}

/** Brings stored data up to today's shape. `schema` is below the current number. @throws ZodError not that old shape */
export function upcast(schemas: EventSchema, schema: number, data: unknown): unknown {
  const first = schemas.older[schema - 1];
  let upcasted = first === undefined ? data : first.schema.parse(data);
  for (const step of schemas.older.slice(schema - 1)) upcasted = step.upcast(upcasted);
  return upcasted;
}
