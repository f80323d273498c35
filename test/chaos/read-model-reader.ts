/** Reads all that there is through the queries, and the histories through the routes of the log, over HTTP. */
import type { WireEvent } from '../support/wire-client.ts';
import type { Answers, Shown } from './read-model-checker.ts';

const AT_ONCE = 8;
const DAY_MS = 86_400_000;
/** Below what a query of the volume may span. */
const VOLUME_SPAN_DAYS = 390;

type Json = Readonly<Record<string, unknown>>;

export interface ReaderOptions {
  readonly httpUrl: string;
  /** Of staff, or of an auditor. */
  readonly token: string;
}

/** @throws Error for every answer but 200 */
export async function readJson<Answer = Json>({ httpUrl, token }: ReaderOptions, path: string): Promise<Answer> {
  const response = await fetch(`${httpUrl}${path}`, { headers: { authorization: `Bearer ${token}` } });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${path} was answered ${response.status}: ${text}`);
  return JSON.parse(text) as Answer;
}

/** Everything at least as new as `minPosition`. */
export async function readAnswers(
  at: ReaderOptions,
  histories: ReadonlyMap<string, readonly WireEvent[]>,
  minPosition: string,
): Promise<Answers> {
  const listed = await readList(at, minPosition);
  const conversations = await readEach([...histories.keys()], async (conversation): Promise<Shown> => {
    if (histories.get(conversation)?.length === 0) return readUnstarted(at, conversation, minPosition);
    return {
      messages: await readTranscript(at, conversation, minPosition),
      participants: await readParticipants(at, conversation, minPosition),
    };
  });
  return { listed, conversations, volume: await readVolume(at, [...histories.values()].flat(), minPosition) };
}

export async function readHistories(
  at: ReaderOptions,
  conversations: readonly string[],
): Promise<Map<string, WireEvent[]>> {
  return readEach(conversations, conversation => readHistory(at, conversation));
}

async function readHistory(at: ReaderOptions, conversation: string): Promise<WireEvent[]> {
  const events: WireEvent[] = [];
  let path: string | null = `/v1/conversations/${conversation}/events?after=-1&limit=500`;
  while (path !== null) {
    const page: { events: WireEvent[]; next: string | null } = await readJson(at, path);
    events.push(...page.events);
    path = page.next;
  }
  return events;
}

/** The list of all, each page behind the last one, until there are no more. */
export async function readList(at: ReaderOptions, minPosition: string): Promise<Json[]> {
  const entries: Json[] = [];
  let query = `limit=200&minPosition=${minPosition}`;
  for (;;) {
    const page: { conversations: Json[]; more: boolean; cursor: string } = await readJson(
      at,
      `/v1/conversations?${query}`,
    );
    entries.push(...page.conversations);
    if (!page.more) return entries;
    query = `limit=200&minPosition=${minPosition}&cursor=${page.cursor}`;
  }
}

/** A start that was never acked may have come to nothing. @throws Error for every answer but 404 */
async function readUnstarted({ httpUrl, token }: ReaderOptions, room: string, minPosition: string): Promise<Shown> {
  for (const of of ['messages', 'participants']) {
    const path = `/v1/conversations/${room}/${of}?minPosition=${minPosition}`;
    const response = await fetch(`${httpUrl}${path}`, { headers: { authorization: `Bearer ${token}` } });
    const text = await response.text();
    if (response.status !== 404) throw new Error(`${path} was answered ${response.status}: ${text}`);
  }
  return { messages: [], participants: [] };
}

async function readTranscript(at: ReaderOptions, conversation: string, minPosition: string): Promise<Json[]> {
  const messages: Json[] = [];
  let path: string | null = `/v1/conversations/${conversation}/messages?fromSeq=0&limit=500`;
  while (path !== null) {
    const page: { messages: Json[]; next: string | null } = await readJson(at, `${path}&minPosition=${minPosition}`);
    messages.push(...page.messages);
    path = page.next;
  }
  return messages;
}

async function readParticipants(at: ReaderOptions, conversation: string, minPosition: string): Promise<Json[]> {
  const participants: Json[] = [];
  let cursor = '';
  for (;;) {
    const path = `/v1/conversations/${conversation}/participants?limit=200&minPosition=${minPosition}${cursor}`;
    const page: { participants: Json[]; cursor: string | null } = await readJson(at, path);
    participants.push(...page.participants);
    if (page.cursor === null) return participants;
    cursor = `&cursor=${page.cursor}`;
  }
}

async function readVolume(
  at: ReaderOptions,
  events: readonly WireEvent[],
  minPosition: string,
): Promise<Map<string, Record<string, number>>> {
  const days = new Map<string, Record<string, number>>();
  const times = events.map(event => Date.parse(event.at));
  const firstMs = times.reduce((a, b) => Math.min(a, b), Infinity);
  const lastMs = times.reduce((a, b) => Math.max(a, b), -Infinity);
  for (let fromMs = firstMs - DAY_MS; fromMs <= lastMs + DAY_MS; fromMs += VOLUME_SPAN_DAYS * DAY_MS) {
    const [from, to] = [dayOf(fromMs), dayOf(fromMs + VOLUME_SPAN_DAYS * DAY_MS)];
    const path = `/v1/volume?from=${from}&to=${to}&by=day&minPosition=${minPosition}`;
    const { buckets }: { buckets: { from: string; counters: Record<string, number> }[] } = await readJson(at, path);
    for (const { from: begin, counters } of buckets) {
      const day = begin.slice(0, 'YYYY-MM-DD'.length);
      if (Object.values(counters).some(count => count !== 0)) days.set(day, counters);
    }
  }
  return days;
}

function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 'YYYY-MM-DD'.length);
}

async function readEach<Value>(
  conversations: readonly string[],
  read: (conversation: string) => Promise<Value>,
): Promise<Map<string, Value>> {
  const values = new Map<string, Value>();
  const left = [...conversations];
  const work = async (): Promise<void> => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) values.set(next, await read(next));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return values;
}
