/**
 * Two tenants in one server: the first has a file of conversations, the second the same file with a mark in every id,
 * author and text. Tokens of both, in every role, try every frame and every HTTP route with the ids of their own tenant
 * and of the other; nothing of the other tenant may come in any byte they receive, nor be found in its export afterwards.
 */
import { expect } from 'vitest';
import { conversationCommandSchemas } from '../../src/schemas/conversation-commands.ts';
import { linesOf, marked, readNdjson, SAMPLE, toNdjson } from '../support/sample.ts';
import type { SampleLine } from '../support/sample.ts';
import { startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { FuzzSocket } from './fuzz-socket.ts';
import { LeakWatch } from './leaks.ts';
import { operationsOf, requestOf } from './requests.ts';
import type { Operation } from './requests.ts';
import { oneIn, pick } from './mutations.ts';
import type { Random } from './mutations.ts';

const MARK = 'zq7mark';
/** Texts that are written while fuzzing; of the second tenant they carry its mark. */
const LIVE = 'said-while-fuzzing';
const ROLES = ['visitor', 'agent', 'supervisor', 'auditor', 'bot', 'service'] as const;
/** Ids of the other tenant that each one knows, and may therefore see again in a refusal. */
const KNOWN_IDS = 12;
const ROUNDS_A_LOOK = 25;

export interface TenantFuzzReport {
  readonly rounds: number;
  /** How often each frame and each route was tried. */
  readonly tried: ReadonlyMap<string, number>;
  /** What came back, by tenant. */
  readonly bytes: readonly number[];
  readonly leaks: readonly string[];
}

interface Tenant {
  readonly name: string;
  readonly watch: LeakWatch;
  /** Conversations and messages of its own, and a few of the other's. */
  readonly conversations: readonly string[];
  readonly messages: readonly string[];
  readonly live: string;
  readonly sockets: ReadonlyMap<string, FuzzSocket>;
}

export async function fuzzTwoTenants(rounds: number, random: Random): Promise<TenantFuzzReport> {
  const server = await startServer({
    environment: {
      LOG_LEVEL: 'warn',
      HTTP_REQUESTS_PER_SECOND_MAX: '1000000',
      HTTP_TENANT_REQUESTS_PER_SECOND_MAX: '1000000',
      REQUESTS_PER_SECOND_MAX: '10000',
      SENDS_PER_SECOND_MAX: '10000',
      BAD_FRAMES_PER_MINUTE_MAX: '10000',
    },
  });
  try {
    const file = linesOf(readNdjson(SAMPLE));
    const copy = marked(file, MARK);
    await importLines(server, 'first', file);
    await importLines(server, 'second', copy);
    const tenants = [tenantOf(server, 'first', file, copy), tenantOf(server, 'second', copy, file)];
    const tried = await play(server, tenants, rounds, random);
    for (const tenant of tenants) {
      await watchedFetch(server, tenant, 'service', { method: 'GET', path: '/v1/export' });
      for (const socket of tenant.sockets.values()) await socket.close();
    }
    const leaks = tenants.flatMap(({ name, watch }) => watch.found().map(leak => `${name}: ${leak}`));
    expect(server.output()).not.toContain('a frame failed');
    return { rounds, tried, bytes: tenants.map(({ watch }) => watch.bytes), leaks };
  } finally {
    await server.dispose();
  }
}

async function importLines(server: ServerProcess, tenant: string, lines: readonly SampleLine[]): Promise<void> {
  const answer = await fetch(`${server.httpUrl}/v1/import`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${server.token('service', 'importer', { tenant })}`,
      'content-type': 'application/x-ndjson',
    },
    body: toNdjson(lines),
  });
  const results = linesOf<{ status: string }>(await answer.text());
  expect(results.filter(({ status }) => status === 'imported')).toHaveLength(lines.length);
}

function tenantOf(
  server: ServerProcess,
  name: string,
  own: readonly SampleLine[],
  others: readonly SampleLine[],
): Tenant {
  const isSecond = name === 'second';
  const strings = others.flatMap(({ id, conversation, author, text }) => [id, conversation, author, text]);
  // A mark of its own cannot be told from what it received rightly, so the first tenant's words are known by heart.
  const watch = new LeakWatch({
    marks: isSecond ? [`${LIVE}-first`] : [MARK],
    strings: isSecond ? new Set(strings) : new Set(),
  });
  const step = Math.floor(others.length / KNOWN_IDS);
  const known = Array.from({ length: KNOWN_IDS }, (_, i) => others[i * step]).filter(line => line !== undefined);
  for (const { id, conversation } of known) watch.allow(id, conversation, `conversation:${conversation}`);
  const conversations = [...new Set(own.map(({ conversation }) => conversation)), 'new-1', 'new-2'];
  const rooms = [...conversations, ...known.map(({ conversation }) => conversation)].map(id => `conversation:${id}`);
  const sockets = new Map(
    ROLES.map(role => [
      role,
      new FuzzSocket({
        url: server.gatewayUrl,
        token: server.token(role, `${role}-1`, { tenant: name, rooms: rooms.slice(-KNOWN_IDS) }),
        onText: text => {
          watch.take(text, `frame to a ${role}`);
        },
      }),
    ]),
  );
  return {
    ...{ name, watch, sockets, live: isSecond ? `${MARK}-${LIVE}-second` : `${LIVE}-first` },
    conversations: [...conversations.slice(0, 40), ...known.map(({ conversation }) => conversation)],
    messages: [...own.slice(0, 40).map(({ id }) => id), ...known.map(({ id }) => id)],
  };
}

async function play(
  server: ServerProcess,
  tenants: readonly Tenant[],
  rounds: number,
  random: Random,
): Promise<Map<string, number>> {
  const operations = await operationsOf(server.httpUrl);
  const tried = new Map<string, number>(
    [...FRAMES, ...operations.map(({ name }) => name)].map(name => [name, 0] as const),
  );
  for (let round = 0; round < rounds; round += 1) {
    const tenant = pick(random, tenants);
    const role = pick(random, ROLES);
    const name = oneIn(random, 2)
      ? await tryFrame(tenant, role, random)
      : await tryRoute(server, tenant, role, random, pick(random, operations));
    tried.set(name, (tried.get(name) ?? 0) + 1);
    if (round % ROUNDS_A_LOOK === 0)
      for (const { sockets } of tenants) for (const socket of sockets.values()) await socket.settle();
  }
  return tried;
}

const FRAMES = ['subscribe', 'unsubscribe', 'history', 'send', 'typing', 'read', 'delivered', 'refresh', 'auth'];

async function tryFrame(tenant: Tenant, role: string, random: Random): Promise<string> {
  const op = pick(random, FRAMES);
  const room = `${oneIn(random, 12) ? 'agent' : 'conversation'}:${pick(random, tenant.conversations)}`;
  const seq = Math.floor(random() * 6);
  const fields = {
    subscribe: pick(random, [{ after: seq - 1 }, { tail: 5 }, { live: true }, {}]),
    unsubscribe: {},
    history: { limit: 1 + seq * 10, ...(oneIn(random, 2) ? { before: seq } : {}) },
    send: { id: pick(random, [...tenant.messages, `c${random()}`]), ...commandOf(tenant, random) },
    typing: { on: true },
    read: { seq },
    delivered: { seq },
    refresh: { token: 'not.a.token' },
    auth: { token: 'not.a.token' },
  }[op];
  // What a refusal names is what was sent.
  tenant.watch.allow(room);
  await tenant.sockets.get(role)?.send(JSON.stringify({ op, room, ...fields }));
  return op;
}

function commandOf(tenant: Tenant, random: Random): { readonly command: string; readonly data: object } {
  const command = pick(random, Object.keys(conversationCommandSchemas));
  const id = pick(random, tenant.conversations);
  const [seq, text] = [Math.floor(random() * 4), tenant.live];
  const data = {
    ...{ channel: 'web', visitor: 'visitor-1', topic: text, attributes: { a: text } },
    ...{ text, seq, reason: text, tag: 'tag', priority: 'high', queue: 'queue', agent: id, forced: true, why: text },
    ...{ until: '2030-01-01T00:00:00Z', score: 3, comment: text },
    ...(command === 'TransferConversation' ? { to: { agent: id } } : {}),
    ...(oneIn(random, 2) ? { replyTo: seq } : {}),
  };
  return { command, data };
}

async function tryRoute(
  server: ServerProcess,
  tenant: Tenant,
  role: string,
  random: Random,
  operation: Operation,
): Promise<string> {
  const { data } = commandOf(tenant, random);
  const request = requestOf(operation, random, {
    ids: [...tenant.conversations, ...tenant.messages],
    fields: { ...data, subject: pick(random, tenant.conversations), name: tenant.live, role: 'agent', command: '' },
    text: tenant.live,
  });
  await watchedFetch(server, tenant, role, request);
  return operation.name;
}

async function watchedFetch(
  server: ServerProcess,
  tenant: Tenant,
  role: string,
  { method, path, headers = {}, body }: ReturnType<typeof requestOf>,
): Promise<void> {
  const answer = await fetch(`${server.httpUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${server.token(role, `${role}-1`, { tenant: tenant.name })}`, ...headers },
    ...(body === undefined ? {} : { body }),
  });
  tenant.watch.allow(path, path.split('?')[0] ?? path);
  const from = `${method} ${path} as ${role}: ${answer.status}`;
  for (const value of answer.headers.values()) tenant.watch.take(value, from);
  tenant.watch.take(await answer.text(), from);
  expect(answer.status, from).toBeLessThan(500);
}
