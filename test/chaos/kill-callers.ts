/**
 * The rest of the kill storm's load: callers over HTTP that repeat each command under its Idempotency-Key until it is
 * answered, imports that are sent again until they went through, exports, and readers who begin anywhere in a room.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { madeConversationId } from '../../src/commands/derived-ids.ts';
import { toNdjson } from '../support/sample.ts';
import { connectWire } from '../support/wire-client.ts';
import type { WireEvent } from '../support/wire-client.ts';
import type { JournalFile, Note } from './kill-journal.ts';
import { linesOfChunk, roomKey } from './kill-plan.ts';
import type { ImportChunk, Tenant } from './kill-plan.ts';
import { seenEvent } from './kill-talker.ts';

const RETRY_MS = 40;
const ANSWER_TIMEOUT_MS = 15_000;
const POSTS_A_CONVERSATION = 12;
const PAUSE_MS = 60;

export interface Known {
  /** The highest revision that was acked, by room. */
  readonly heads: Map<string, number>;
  /** The ids of posts that were acked, by room. */
  readonly posts: Map<string, string[]>;
}

export interface CallerOptions {
  readonly httpUrl: string;
  readonly gatewayUrl: string;
  readonly token: (role: string, sub: string, tenant: Tenant) => string;
  readonly journals: JournalFile;
  readonly random: () => number;
  readonly known: Known;
  readonly acked: (room: string, last: number, postId: string | undefined) => void;
  readonly isSettling: () => boolean;
}

interface Ask {
  readonly method?: 'POST';
  readonly path: string;
  readonly token: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Undefined where the connection ended before the whole answer was there. */
async function ask(httpUrl: string, { method, path, token, headers, body }: Ask): Promise<Answer | undefined> {
  try {
    const response = await fetch(`${httpUrl}${path}`, {
      ...(method === undefined ? {} : { method }),
      headers: { authorization: `Bearer ${token}`, ...headers },
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    return { status: response.status, text: await response.text() };
  } catch {
    return undefined;
  }
}

interface Target {
  readonly room: string;
  readonly note: Note;
  readonly token: string;
  readonly command: string;
  readonly path: string;
}

/** Repeats a command until it is answered for good. */
export async function command(options: CallerOptions, target: Target, id: string, data: object): Promise<void> {
  const { note, room, token, path } = target;
  const text = 'text' in data ? { text: String(data.text) } : {};
  for (;;) {
    note({ kind: 'sent', id, command: target.command, ...text });
    const headers = { 'content-type': 'application/json', 'idempotency-key': id };
    const answer = await ask(options.httpUrl, { method: 'POST', path, token, headers, body: JSON.stringify(data) });
    if (answer?.status === 200 || answer?.status === 201) {
      const ack = JSON.parse(answer.text) as Record<'first' | 'last', number> & {
        position: string;
        duplicate: boolean;
      };
      note({ kind: 'acked', id, first: ack.first, last: ack.last, position: ack.position, duplicate: ack.duplicate });
      options.acked(room, ack.last, target.command === 'PostMessage' ? id : undefined);
      return;
    }
    if (answer) {
      const retryable = [409, 429, 503].includes(answer.status);
      note({ kind: 'nacked', id, code: `${answer.status} ${answer.text.slice(0, 300)}`, retryable });
      if (!retryable) return;
    }
    await delay(RETRY_MS * (0.5 + options.random()));
  }
}

/** Starts conversations, every second one under an id that the server makes, and posts to each. */
export async function commandOverHttp(options: CallerOptions, tenant: Tenant): Promise<void> {
  const sub = `${tenant}-http`;
  const token = options.token('bot', sub, tenant);
  for (let round = 0; !options.isSettling(); round++) {
    const start = `${sub}.${round}`;
    const isMade = round % 2 === 0;
    const conversation = isMade ? madeConversationId(tenant, sub, start) : start;
    const room = roomKey(tenant, conversation);
    const note = options.journals.begin({ room, client: sub, view: 'staff', reads: 'none' });
    const at = { room, note, token };
    const commands = `/v1/conversations/${conversation}/commands`;
    const path = isMade ? '/v1/conversations' : `${commands}/StartConversation`;
    await command(options, { ...at, path, command: 'StartConversation' }, start, { channel: 'http' });
    for (let post = 0; post < POSTS_A_CONVERSATION && !options.isSettling(); post++) {
      const text = `${sub} ${round} ${post}`;
      await command(options, { ...at, path: `${commands}/PostMessage`, command: 'PostMessage' }, `${start}.${post}`, {
        text,
      });
      await delay(PAUSE_MS * options.random());
    }
  }
}

/** Sends chunks of the sample one after the other, each again until every line was answered as being there. */
export async function importOverHttp(options: CallerOptions, tenant: Tenant): Promise<void> {
  const token = options.token('service', `${tenant}-importer`, tenant);
  for (let index = 0; !options.isSettling(); index++) {
    const chunk: ImportChunk = { tenant, index };
    const lines = linesOfChunk(chunk);
    const request: Ask = {
      ...{ method: 'POST', path: '/v1/import', token, body: toNdjson(lines) },
      headers: { 'content-type': 'application/x-ndjson' },
    };
    while (!isImported(await ask(options.httpUrl, request), lines.length)) await delay(RETRY_MS);
    options.journals.imported(chunk);
    await delay(PAUSE_MS * 10 * options.random());
  }
}

function isImported(answer: Answer | undefined, lines: number): boolean {
  if (answer?.status !== 200) return false;
  const results = answer.text.trimEnd().split('\n');
  const isThere = (line: string): boolean => /"status":"(imported|duplicate)"/.test(line);
  return results.length === lines && results.every(isThere);
}

/** Exports a conversation now and then, and notes those that came whole. */
export async function exportOverHttp(options: CallerOptions, tenant: Tenant): Promise<void> {
  const token = options.token('auditor', `${tenant}-auditor`, tenant);
  while (!options.isSettling()) {
    const room = pick(options, tenant);
    if (room !== undefined) {
      const acked = [...(options.known.posts.get(room) ?? [])];
      const conversation = room.slice(tenant.length + 1);
      const answer = await ask(options.httpUrl, { path: `/v1/export?conversation=${conversation}`, token });
      if (answer?.status === 200) options.journals.exported({ room, acked, got: lineIds(answer.text) });
    }
    await delay(PAUSE_MS * 5 * options.random());
  }
}

function lineIds(ndjson: string): string[] {
  const lines = ndjson.split('\n').filter(line => line !== '');
  return lines.map(line => (JSON.parse(line) as { id: string }).id);
}

/** Reads a room from some cursor up to where it is caught up, by a new client each time. */
export async function readAnywhere(options: CallerOptions, tenant: Tenant): Promise<void> {
  const token = options.token('auditor', `${tenant}-reader`, tenant);
  for (let read = 0; !options.isSettling(); read++) {
    const room = pick(options, tenant);
    if (room !== undefined) await readOnce(options, room, token, `${tenant}-reader.${read}`).catch(() => undefined);
    await delay(PAUSE_MS * 4 * options.random());
  }
}

async function readOnce(options: CallerOptions, room: string, token: string, client: string): Promise<void> {
  const wire = await connectWire(options.gatewayUrl, token);
  const known = options.known.heads.get(room) ?? -1;
  const name = `conversation:${room.slice(room.indexOf('/') + 1)}`;
  const asked = options.random() < 0.3 ? -1 : Math.floor(options.random() * (known + 1)) - 1;
  const note = options.journals.begin({ room, client, view: 'staff', reads: 'part' });
  try {
    wire.send({ op: 'subscribe', room: name, after: asked });
    for (;;) {
      const frame = await wire.next();
      if (frame.op === 'subscribed') note({ kind: 'subscribed', asked, after: Number(frame.after) });
      else if (frame.op === 'events') {
        const events = (frame.events as WireEvent[]).map(seenEvent);
        note({ kind: 'events', after: Number(frame.after), upTo: Number(frame.upTo), events });
      } else if (frame.op === 'caught-up') {
        note({ kind: 'caught-up', upTo: Number(frame.upTo), known });
        return;
      } else if (frame.op === 'error' && frame.retryable === true) return;
      else if (frame.op !== 'drain') note({ kind: 'stray', detail: JSON.stringify(frame) });
    }
  } finally {
    await wire.close();
  }
}

function pick({ known, random }: CallerOptions, tenant: Tenant): string | undefined {
  const rooms = [...known.heads.keys()].filter(room => room.startsWith(`${tenant}/`));
  return rooms[Math.floor(random() * rooms.length)];
}
