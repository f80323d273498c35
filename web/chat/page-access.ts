/**
 * How the page gets its two tokens: from the server's own page route where it has one, else from what the person pastes.
 * Tokens are kept in memory only; the room's name in the address, so that a reload comes back to the same talk.
 */
import { fieldsOf, numberOf } from './fields.ts';

export interface Party {
  readonly sub: string;
  readonly token: string;
}

export interface PageAccess {
  readonly gatewayUrl: string;
  readonly tenant: string;
  /** `conversation:<id>` */
  readonly room: string;
  readonly visitor: Party | undefined;
  readonly agent: Party | undefined;
  /** ms since 1970; undefined for pasted tokens, which cannot be renewed. */
  readonly expiresAt: number | undefined;
}

/** `absent`: this server gives the page no tokens, so a person must bring some. */
export type AccessAnswer = { readonly kind: 'given'; readonly access: PageAccess } | { readonly kind: 'absent' };

export interface SampleAnswer {
  readonly imported: number;
  readonly duplicates: number;
  readonly rejected: number;
  readonly conversations: readonly { readonly id: string; readonly messages: number }[];
}

function textOf(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '') throw new Error(`the server's answer has no ${name}`);
  return value;
}

function partyOf(value: unknown, name: string): Party {
  const { sub, token } = fieldsOf(value);
  return { sub: textOf(sub, `${name}.sub`), token: textOf(token, `${name}.token`) };
}

const countOf = (value: unknown): number => numberOf(value) ?? 0;

export const roomName = (room: string): string => (room.startsWith('conversation:') ? room : `conversation:${room}`);
export const roomId = (room: string): string => room.replace(/^conversation:/, '');

async function post(path: string, body: object): Promise<Response> {
  return fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    credentials: 'omit',
  });
}

/** @throws Error where the server does not answer, or not as expected */
export async function askAccess(room: string | undefined): Promise<AccessAnswer> {
  const response = await post('v1/page/tokens', room === undefined ? {} : { room: roomId(room) });
  if (response.status === 404 || response.status === 403) return { kind: 'absent' };
  if (!response.ok) throw new Error(`the server answered ${String(response.status)}`);
  const answer = fieldsOf(await response.json());
  const expires = answer.expiresAt;
  return {
    kind: 'given',
    access: {
      gatewayUrl: textOf(answer.gatewayUrl, 'gatewayUrl'),
      tenant: textOf(answer.tenant, 'tenant'),
      room: roomName(textOf(answer.room, 'room')),
      visitor: partyOf(answer.visitor, 'visitor'),
      agent: partyOf(answer.agent, 'agent'),
      expiresAt: typeof expires === 'number' ? expires : Date.parse(textOf(expires, 'expiresAt')),
    },
  };
}

/** @throws Error where the sample cannot be loaded */
export async function loadSample(): Promise<SampleAnswer> {
  const response = await post('v1/import/sample', {});
  if (!response.ok) throw new Error(`the server answered ${String(response.status)}`);
  const answer = fieldsOf(await response.json());
  const conversations = Array.isArray(answer.conversations) ? answer.conversations.map(fieldsOf) : [];
  return {
    imported: countOf(answer.imported),
    duplicates: countOf(answer.duplicates),
    rejected: countOf(answer.rejected),
    conversations: conversations.map(({ id, messages }) => ({ id: textOf(id, 'id'), messages: countOf(messages) })),
  };
}

/** Who a pasted token speaks for. Only read here; the gateway is who verifies it. */
export function subjectOf(token: string): { readonly sub: string; readonly rooms: readonly string[] } {
  const [, payload = ''] = token.split('.');
  const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), c => c.codePointAt(0) ?? 0);
  const claims = fieldsOf(JSON.parse(new TextDecoder().decode(bytes)));
  const rooms = Array.isArray(claims.rooms) ? claims.rooms.filter(room => typeof room === 'string') : [];
  return { sub: textOf(claims.sub, 'sub'), rooms };
}
