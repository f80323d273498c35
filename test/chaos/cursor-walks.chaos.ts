/**
 * Walkers go through conversation lists, page by page and then through what changes, in both directions and by every filter,
 * while people change the conversations at random, read models are built anew, and the server is killed. Every conversation that
 * belongs to a list throughout is seen at least once, and once unless it changed; and what a walker knows when it has caught up is
 * the list.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { PROJECTIONS } from '../../src/projections/projections.ts';
import { startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import type { WireEvent } from '../support/wire-client.ts';
import { ConversationTraffic, QUEUES, TAGS } from './conversation-traffic.ts';
import type { Ack } from './conversation-traffic.ts';
import { expectedSummary } from './read-model-expectations.ts';
import { readHistories } from './read-model-reader.ts';
import { randomOf, SCALE, scaled, SEED } from './scale.ts';
import { checkWalk } from './walk-checker.ts';
import type { ConversationState, Walk } from './walk-checker.ts';

const CONVERSATIONS = scaled(1_500, 300);
const RUN_MS = scaled(60_000, 10_000);
const PEOPLE = 6;
const PEOPLE_PAUSE_MS = 15;
const WALKERS = 6;
const KILLS = scaled(4, 1);
const LIMITS = [1, 7, 25, 50, 200];
const PAGES_MAX = 20_000;
const FAULTS_SHOWN = 20;

type Json = Readonly<Record<string, unknown>>;
type Summary = Json & {
  readonly status: string;
  readonly handling: { readonly kind: string; readonly agent?: string; readonly queue?: string };
  readonly staff: { readonly priority: string; readonly tags: readonly string[]; readonly queue: string | null };
};

interface List {
  readonly query: string;
  readonly matches: (summary: Summary) => boolean;
  /** By what its entries are sorted. */
  readonly key: (entry: Json) => string;
}

const lastActivity = (entry: Json): string => String((entry.staff as Json).lastActivityAt);
const waiting = (entry: Json): string => String((entry.staff as Json).handlingSince);

const LISTS: readonly List[] = [
  { query: '', matches: () => true, key: lastActivity },
  ...['open', 'resolved'].map(status => ({
    query: `status=${status}`,
    matches: (summary: Summary) => summary.status === status,
    key: lastActivity,
  })),
  ...TAGS.map(tag => ({
    query: `tag=${tag}`,
    matches: (summary: Summary) => summary.staff.tags.includes(tag),
    key: lastActivity,
  })),
  ...QUEUES.flatMap(queue => [
    { query: `queue=${queue}`, matches: (summary: Summary) => summary.staff.queue === queue, key: lastActivity },
    {
      query: `queue=${queue}&sort=waiting`,
      matches: (summary: Summary) => summary.handling.queue === queue,
      key: waiting,
    },
  ]),
  { query: 'assignee=ada', matches: summary => summary.handling.agent === 'ada', key: lastActivity },
  {
    query: 'assignee=ben&status=open',
    matches: summary => summary.handling.agent === 'ben' && summary.status === 'open',
    key: lastActivity,
  },
  {
    query: 'priority=urgent&status=open',
    matches: summary => summary.staff.priority === 'urgent' && summary.status === 'open',
    key: lastActivity,
  },
];

interface TakenWalk extends Walk {
  readonly list: List;
  readonly pages: number;
  readonly disorder: string | undefined;
}

let server: ServerProcess | undefined;
afterAll(() => server?.dispose());

describe('cursor walks', () => {
  it(`${WALKERS} walkers for ${RUN_MS} ms: each conversation there throughout is seen, and once unless it changed`, async () => {
    console.log(`SEED=${SEED} SCALE=${SCALE}, ${CONVERSATIONS} conversations`);
    server = await startServer({
      environment: {
        ...{
          LOG_LEVEL: 'warn',
          HTTP_REQUESTS_PER_SECOND_MAX: '1000000',
          HTTP_TENANT_REQUESTS_PER_SECOND_MAX: '1000000',
        },
        ...{ PROJECTION_DROP_GRACE_MS: '1000' },
      },
    });
    const at = server;
    const acks: Ack[] = [];
    const traffic = new ConversationTraffic({
      ...{ httpUrl: at.httpUrl, random: randomOf('people'), name: 'walked', conversations: CONVERSATIONS },
      token: (role, sub) => at.token(role, sub),
      onAck: ack => acks.push(ack),
    });
    await traffic.begin(PEOPLE);
    const ended = new AbortController();
    const working = traffic.run(ended.signal, PEOPLE, PEOPLE_PAUSE_MS);
    const walks: TakenWalk[] = [];
    const walking = Array.from({ length: WALKERS }, async (_, i) => {
      const walker = new Walker(at, randomOf(`walker ${i}`));
      for (let walk = i; !ended.signal.aborted; walk += WALKERS) {
        const list = LISTS[walk % LISTS.length];
        if (list !== undefined) walks.push(await walker.walk(list));
      }
    });
    const disturbances = await disturb(at);
    ended.abort();
    await Promise.all([working, ...walking]);

    const histories = await readHistories({ httpUrl: at.httpUrl, token: at.token('auditor', 'judge') }, [
      ...traffic.conversations(),
    ]);
    const pasts = pastsOf(histories, positionsOf(acks));
    const faults = walks.flatMap(walk => [
      ...(walk.disorder === undefined ? [] : [walk.disorder]),
      ...checkWalk(statesOf(pasts, walk.list), walk).map(fault => `${walk.list.query}: ${fault}`),
    ]);
    const pages = walks.reduce((sum, walk) => sum + walk.pages, 0);
    const changed = acks.filter(({ first }) => first !== null).length;
    console.log(`  ${walks.length} walks of ${pages} pages, ${changed} changes, ${disturbances}`);
    expect(faults.slice(0, FAULTS_SHOWN)).toEqual([]);
    expect(walks.length).toBeGreaterThanOrEqual(LISTS.length);
    expect(walks.some(walk => walk.seen.length > CONVERSATIONS)).toBe(true);
  });
});

interface Asked {
  readonly path: string;
  readonly tenant?: string;
  readonly method?: 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** One walker, who waits for the server where it is away. */
class Walker {
  private readonly at: ServerProcess;
  private readonly random: () => number;

  constructor(at: ServerProcess, random: () => number) {
    [this.at, this.random] = [at, random];
  }

  /** From the first page to where nothing more is to be told. */
  async walk(list: List): Promise<TakenWalk> {
    const limit = LIMITS[Math.floor(this.random() * LIMITS.length)] ?? 50;
    const order = this.random() < 0.5 ? 'asc' : 'desc';
    const asked = [list.query, `order=${order}`, `limit=${limit}`].filter(part => part !== '').join('&');
    const seen: { conversation: string; gone: boolean }[] = [];
    const listed: Json[] = [];
    let page = await this.page(`/v1/conversations?${asked}`);
    const start = BigInt(page.position);
    let pages = 1;
    let isOfList = true;
    for (;;) {
      if (isOfList) listed.push(...page.conversations);
      seen.push(...page.conversations.map(entry => ({ conversation: String(entry.conversation), gone: false })));
      seen.push(...page.gone.map(conversation => ({ conversation, gone: true })));
      if (!page.more) break;
      if (pages === PAGES_MAX) throw new Error(`${asked} never ends.`);
      isOfList = leadsAlongList(page.cursor);
      page = await this.page(`/v1/conversations?limit=${limit}&cursor=${page.cursor}`);
      pages += 1;
    }
    const end = BigInt(page.position);
    return {
      ...{ start, end, seen, list, pages },
      latest: await this.probe(),
      disorder: disorderOf(asked, listed, list),
    };
  }

  private async page(path: string): Promise<{
    readonly position: string;
    readonly conversations: readonly Json[];
    readonly gone: readonly string[];
    readonly more: boolean;
    readonly cursor: string;
  }> {
    return JSON.parse(await this.ask({ path })) as Awaited<ReturnType<Walker['page']>>;
  }

  /** The position of something that happens now, to another tenant: whatever was seen before came before it. */
  private async probe(): Promise<bigint> {
    const id = `probe-${Math.floor(this.random() * 2 ** 32)}`;
    const path = `/v1/conversations/${id}/commands/StartConversation`;
    const headers = { 'idempotency-key': id, 'content-type': 'application/json' };
    const answer = await this.ask({ method: 'POST', path, headers, body: '{"channel":"web"}', tenant: 'elsewhere' });
    return BigInt((JSON.parse(answer) as { position: string }).position);
  }

  private async ask({ path, tenant = 'default', headers, ...request }: Asked): Promise<string> {
    const authorization = `Bearer ${this.at.token('agent', 'walker', { tenant })}`;
    for (;;) {
      const answer = await fetch(`${this.at.httpUrl}${path}`, { ...request, headers: { authorization, ...headers } })
        .then(async response => ({ status: response.status, text: await response.text() }))
        .catch(() => undefined);
      if (answer?.status === 200) return answer.text;
      if (answer !== undefined && answer.status !== 503)
        throw new Error(`${path} was answered ${answer.status}: ${answer.text}`);
      await delay(50);
    }
  }
}

/** No client looks into a cursor. Here it tells which entries must be in order. */
function leadsAlongList(cursor: string): boolean {
  const { phase } = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as { readonly phase: string };
  return phase === 'list';
}

function disorderOf(asked: string, listed: readonly Json[], { key }: List): string | undefined {
  const sign = asked.includes('order=asc') ? 1 : -1;
  const at = listed.findIndex((entry, i) => {
    const before = listed[i - 1];
    return before !== undefined && (key(entry) < key(before) ? -1 : key(entry) > key(before) ? 1 : 0) === -sign;
  });
  return at < 0 ? undefined : `${asked}: entry ${at} is out of order`;
}

/** Rebuilds all the time, and kills now and then, until the run is over. */
async function disturb(at: ServerProcess): Promise<string> {
  const random = randomOf('disturbances');
  const deadlineMs = performance.now() + RUN_MS;
  let rebuilds = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const untilMs = performance.now() + ((deadlineMs - performance.now()) / (KILLS - kill)) * (0.5 + random() / 2);
    while (performance.now() < untilMs) {
      const { schema } = PROJECTIONS[Math.floor(random() * PROJECTIONS.length)] ?? { schema: { name: '' } };
      const rebuilt = await fetch(`${at.httpUrl}/v1/projections/${schema.name}/rebuild`, {
        method: 'POST',
        headers: { authorization: `Bearer ${at.token('service', 'operator')}` },
      })
        .then(answer => answer.text())
        .catch(() => '');
      if (rebuilt.includes('"result"')) rebuilds += 1;
      await delay(500 * random());
    }
    await at.kill9();
    await at.start();
  }
  await delay(Math.max(0, deadlineMs - performance.now()));
  return `${rebuilds} rebuilds, ${KILLS} kills`;
}

/** Of each event that was acked, the position of its append, by conversation and revision. */
function positionsOf(acks: readonly Ack[]): Map<string, Map<number, bigint>> {
  const positions = new Map<string, Map<number, bigint>>();
  for (const { conversation, first, last, position } of acks) {
    if (first === null || position === null) continue;
    const known = positions.get(conversation) ?? new Map<number, bigint>();
    positions.set(conversation, known);
    for (let rev = first; rev <= last; rev++) known.set(rev, BigInt(position));
  }
  return positions;
}

interface Past {
  readonly position: bigint;
  readonly summary: Summary | undefined;
}

/** What each conversation was after each of its events. */
function pastsOf(
  histories: ReadonlyMap<string, readonly WireEvent[]>,
  positions: ReadonlyMap<string, ReadonlyMap<number, bigint>>,
): Map<string, Past[]> {
  return new Map(
    [...histories].map(([conversation, events]) => [
      conversation,
      events.map(({ rev }, i): Past => {
        const position = positions.get(conversation)?.get(rev);
        if (position === undefined) throw new Error(`${conversation}@${rev} was acked to nobody.`);
        return { position, summary: expectedSummary(conversation, events.slice(0, i + 1)) as Summary | undefined };
      }),
    ]),
  );
}

function statesOf(pasts: ReadonlyMap<string, readonly Past[]>, list: List): Map<string, ConversationState[]> {
  return new Map(
    [...pasts].map(([conversation, past]) => [
      conversation,
      past.map(({ position, summary }) => ({ position, matches: summary !== undefined && list.matches(summary) })),
    ]),
  );
}
