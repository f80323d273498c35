/** The metadata that stands around every event of the product, stored as JSON beside its data. */
import { z } from 'zod';
import type { Actor, Origin } from '../domain/decider.ts';

const role = z.enum(['visitor', 'agent', 'supervisor', 'auditor', 'bot', 'service']);

/** As stored. The two `$` names are EventStoreDB's own convention, so that its tools can follow causes. */
export const storedEnvelope = z.object({
  $correlationId: z.string(),
  $causationId: z.string(),
  actor: z.object({ id: z.string(), role }),
  tenant: z.string(),
  commandId: z.string().optional(),
  commandDigest: z.string().optional(),
  /** ISO 8601 UTC with milliseconds. */
  occurredAt: z.iso.datetime({ precision: 3 }),
  origin: z.enum(['live', 'import']),
  /** The schema number of the data. */
  schema: z.int().positive(),
  traceparent: z.string().optional(),
});

export type StoredEnvelope = z.infer<typeof storedEnvelope>;

/** What the events of one command share. */
export interface Envelope {
  readonly correlationId: string;
  /** What caused the events: the command's id, or who imported them. */
  readonly causationId: string;
  readonly actor: Actor;
  readonly tenant: string;
  readonly commandId: string;
  readonly commandDigest: string;
  /** Milliseconds since 1970, UTC. */
  readonly occurredAt: number;
  readonly origin: Origin;
  readonly traceparent?: string | undefined;
}
