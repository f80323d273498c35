/** Who does what in the kill storm: known to the load generator and to the checker alike, so that neither asks the other. */
import { byConversation, linesOf, readNdjson, renamed, SAMPLE } from '../support/sample.ts';
import type { SampleLine } from '../support/sample.ts';

/** Two, with rooms of the same names and people of other names: what reaches the wrong one is seen. */
export const TENANTS = ['alpha', 'beta'] as const;
export type Tenant = (typeof TENANTS)[number];

const ROOMS = 8;
/** Of a tenant, by number; those that the visitor started come first. */
export const ROOM_IDS: readonly string[] = Array.from({ length: ROOMS }, (_, index) => `room-${index}`);
export const VISITOR_ROOMS = 3;

export interface Person {
  readonly tenant: Tenant;
  readonly sub: string;
  readonly role: 'agent' | 'supervisor' | 'visitor';
  readonly rooms: readonly string[];
}

export const PEOPLE: readonly Person[] = TENANTS.flatMap((tenant): Person[] => [
  { tenant, sub: `${tenant}-agent-1`, role: 'agent', rooms: ROOM_IDS },
  { tenant, sub: `${tenant}-agent-2`, role: 'agent', rooms: ROOM_IDS },
  { tenant, sub: `${tenant}-supervisor`, role: 'supervisor', rooms: ROOM_IDS },
  { tenant, sub: visitorOf(tenant), role: 'visitor', rooms: ROOM_IDS.slice(0, VISITOR_ROOMS) },
]);

export function visitorOf(tenant: Tenant): string {
  return `${tenant}-visitor`;
}

export function roomKey(tenant: string, conversation: string): string {
  return `${tenant}/${conversation}`;
}

/** Some conversations of the sample, under ids of their own. */
export interface ImportChunk {
  readonly tenant: Tenant;
  readonly index: number;
}

const CONVERSATIONS_A_CHUNK = 2;
let sample: readonly (readonly SampleLine[])[] | undefined;

export function linesOfChunk({ index }: ImportChunk): SampleLine[] {
  sample ??= [...byConversation(linesOf(readNdjson(SAMPLE))).values()];
  const conversations = sample;
  const chunks = Math.floor(conversations.length / CONVERSATIONS_A_CHUNK);
  const from = (index % chunks) * CONVERSATIONS_A_CHUNK;
  return conversations.slice(from, from + CONVERSATIONS_A_CHUNK).flatMap(lines => renamed(lines, `chunk-${index}`));
}
