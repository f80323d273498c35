import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Claims } from '../../src/domain/claims.ts';
import { storedSchema } from '../../src/projections/parking.ts';
import { PROJECTIONS } from '../../src/projections/projections.ts';
import { ask, LOG, startHttp, tokenOf } from './support.ts';
import type { Answer, TestServer } from './support.ts';

let running: TestServer;
beforeEach(async () => {
  running = await startHttp();
});
afterEach(async () => {
  await running.server.close(0);
  await running.keyDirectory.stop();
});

const VERA = { sub: 'vera', role: 'visitor' } as const;
let keys = 0;

async function get(path: string, as: Partial<Claims> = {}, headers: Record<string, string> = {}): Promise<Answer> {
  const authorization = `Bearer ${await tokenOf({ sub: 'ada', role: 'agent', ...as })}`;
  return ask(`${running.url}${path}`, { headers: { authorization, ...headers } });
}

async function command(room: string, type: string, data: object, as: Partial<Claims> = {}): Promise<Answer> {
  const answer = await ask(`${running.url}/v1/conversations/${room}/commands/${type}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await tokenOf({ sub: 'ada', role: 'supervisor', ...as })}`,
      'content-type': 'application/json',
      'idempotency-key': `key-${++keys}`,
    },
    body: JSON.stringify(data),
  });
  expect(answer.status, `${type}: ${answer.text}`).toBe(200);
  return answer;
}

const start = (room: string, data: object = {}, as: Partial<Claims> = {}) =>
  command(room, 'StartConversation', { channel: 'web', ...data }, as);

/** A conversation in which everything is that a visitor is not to see. */
async function converse(): Promise<void> {
  await start('42', { visitor: 'vera', topic: 'A parcel', attributes: { plan: 'gold' } });
  await command('42', 'PostMessage', { text: 'Where is it?' }, VERA);
  await command('42', 'AddNote', { text: 'She sounds angry' });
  await command('42', 'AddTag', { tag: 'complaint' });
  await command('42', 'PostMessage', { text: 'I look' });
  await command('42', 'PostMessage', { text: 'Wrong person' });
  await command('42', 'EditMessage', { seq: 1, text: 'I am looking' });
  await command('42', 'RedactMessage', { seq: 2, reason: 'slip' });
  await command('42', 'QueueConversation', { queue: 'lost-parcels' });
  await running.project();
}
const HIDDEN = ['angry', 'complaint', 'gold', 'slip', 'lost-parcels', 'normal'];

type Items = readonly Readonly<Record<string, unknown>>[];
const rooms = (answer: Answer): unknown[] =>
  (answer.json.conversations as Items).map(({ conversation }) => conversation);
const seqs = (answer: Answer): unknown[] => (answer.json.messages as Items).map(({ seq }) => seq);

describe('a transcript', () => {
  it('is what was said, as it reads now, with the position and the log', async () => {
    await converse();
    const { status, json, headers } = await get('/v1/conversations/42/messages');
    expect(status).toBe(200);
    expect(json).toMatchObject({ log: LOG, conversation: '42', next: null, previous: null });
    expect(json.position).toMatch(/^\d+$/);
    expect(headers['verbatim-position']).toBe(json.position);
    expect(json.messages).toMatchObject([
      { seq: 0, rev: 1, actor: { id: 'vera', role: 'visitor' }, text: 'Where is it?', attachments: [] },
      { seq: 1, text: 'I am looking', edited: { by: { id: 'ada' } } },
      { seq: 2, text: null, redacted: { by: { id: 'ada' }, reason: 'slip' } },
    ]);
    expect(json.stale).toBeUndefined();
  });

  it('is shown to its visitor without what is the staff’s, and to no other', async () => {
    await converse();
    const { json, text } = await get('/v1/conversations/42/messages', VERA);
    expect(json.messages).toMatchObject([{ seq: 0 }, { seq: 1 }, { seq: 2, redacted: { by: { id: 'ada' } } }]);
    for (const hidden of HIDDEN) expect(text).not.toContain(hidden);
    expect((await get('/v1/conversations/42/messages', { ...VERA, sub: 'eve' })).status).toBe(403);
    await command('42', 'RemoveVisitor', { reason: 'rude' });
    expect((await get('/v1/conversations/42/messages', VERA)).status).toBe(403);
  });

  it('leads on with its links, inside the range that was asked for', async () => {
    await start('42');
    for (let i = 0; i < 12; i++) await command('42', 'PostMessage', { text: `number ${i}` });
    await running.project();
    const first = await get('/v1/conversations/42/messages?fromRev=3&toRev=11&limit=4');
    expect(seqs(first)).toEqual([2, 3, 4, 5]);
    expect(first.json.previous).toBeNull();
    const second = await get(String(first.json.next));
    expect(seqs(second)).toEqual([6, 7, 8, 9]);
    expect(seqs(await get(String(second.json.next)))).toEqual([10]);
    expect(seqs(await get(String(second.json.previous)))).toEqual([2, 3, 4, 5]);
    const newest = await get('/v1/conversations/42/messages?limit=5');
    expect(seqs(newest)).toEqual([7, 8, 9, 10, 11]);
    expect(seqs(await get(String(newest.json.previous)))).toEqual([2, 3, 4, 5, 6]);
    expect(seqs(await get('/v1/conversations/42/messages?around=6&limit=3'))).toEqual([5, 6, 7]);
  });

  it('by time takes any offset, and ends before `to`', async () => {
    await start('42');
    for (let i = 0; i < 4; i++) {
      await command('42', 'PostMessage', { text: `number ${i}` });
      running.time.now += 1_000;
    }
    await running.project();
    const path = '/v1/conversations/42/messages?from=2026-03-01T13:00:01%2B01:00&to=2026-03-01T12:00:03Z';
    expect(seqs(await get(path))).toEqual([1, 2]);
  });
});

describe('a list of conversations', () => {
  it('is of whom it is asked for, the latest first', async () => {
    for (const [i, tag] of ['vip', 'vip', 'late'].entries()) {
      running.time.now += 1_000;
      await start(`c${i}`, { visitor: `v${i}` });
      await command(`c${i}`, 'AddTag', { tag });
    }
    await command('c0', 'QueueConversation', { queue: 'sales' });
    await command('c1', 'AssignConversation', { agent: 'bob', forced: true, why: 'asked' });
    await running.project();
    const list = async (query: string) => rooms(await get(`/v1/conversations${query}`));
    expect(await list('')).toEqual(['c2', 'c1', 'c0']);
    expect(await list('?order=asc')).toEqual(['c0', 'c1', 'c2']);
    expect(await list('?tag=vip')).toEqual(['c1', 'c0']);
    expect(await list('?queue=sales&sort=waiting')).toEqual(['c0']);
    expect(await list('?assignee=bob')).toEqual(['c1']);
    expect(await list('?assignee=bob&status=resolved')).toEqual([]);
    expect(await list('?status=open&priority=normal')).toEqual(['c2', 'c1', 'c0']);
    expect(await list('?visitor=v2')).toEqual(['c2']);
    expect(await list('?tag=none')).toEqual([]);
  });

  it('shows staff all there is to know', async () => {
    await converse();
    const { json } = await get('/v1/conversations');
    expect(json.conversations).toMatchObject([
      {
        ...{ conversation: '42', status: 'open', channel: 'web', topic: 'A parcel', visitor: 'vera', messages: 3 },
        handling: { kind: 'queued', queue: 'lost-parcels' },
        lastMessage: { seq: 2, text: null, redacted: true },
        unread: { staff: 0, visitor: expect.any(Number) as number },
        staff: { tags: ['complaint'], attributes: { plan: 'gold' }, priority: 'normal', notes: 1 },
      },
    ]);
  });

  it('of a visitor is its own, in its view, whatever it asks', async () => {
    await converse();
    await start('43', { visitor: 'eve' });
    await start('44', { visitor: 'vera' });
    await command('44', 'SnoozeConversation', { until: '2026-04-01T00:00:00.000Z' });
    await start('45', { visitor: 'vera' });
    await command('45', 'RemoveVisitor', { reason: 'rude' });
    await running.project();
    const answer = await get('/v1/conversations', VERA);
    expect(rooms(answer).sort()).toEqual(['42', '44']);
    for (const hidden of [...HIDDEN, 'snoozed', 'staff"']) expect(answer.text).not.toContain(hidden);
    expect(rooms(await get('/v1/conversations?visitor=vera', VERA)).sort()).toEqual(['42', '44']);
    expect((await get('/v1/conversations?visitor=eve', VERA)).json).toMatchObject({ status: 403, path: 'visitor' });
    expect((await get('/v1/conversations?status=open', VERA)).json).toMatchObject({ status: 400, path: 'status' });
    const staffs = (await get('/v1/conversations')).json.cursor;
    expect((await get(`/v1/conversations?cursor=${String(staffs)}`, VERA)).json).toMatchObject({
      status: 400,
      path: 'cursor',
    });
    const eves = (await get('/v1/conversations', { ...VERA, sub: 'eve' })).json.cursor;
    expect((await get(`/v1/conversations?cursor=${String(eves)}`, VERA)).json).toMatchObject({
      status: 400,
      path: 'cursor',
    });
  });

  it('goes on with what changed, says what is gone, and then waits', async () => {
    for (const room of ['c0', 'c1', 'c2']) await start(room, { visitor: 'vera' });
    await running.project();
    const next = async (answer: Answer, as: Partial<Claims> = {}) =>
      get(`/v1/conversations?limit=2&cursor=${String(answer.json.cursor)}`, as);
    const first = await get('/v1/conversations?status=open&limit=2');
    expect(first.json).toMatchObject({ more: true, gone: [] });
    await command('c0', 'ResolveConversation', {});
    await command('c2', 'PostMessage', { text: 'hi' });
    await running.project();
    const second = await next(first);
    const third = await next(second);
    const seen = [first, second, third].flatMap(rooms);
    expect(seen.sort()).toEqual(expect.arrayContaining(['c1', 'c2']));
    expect([second, third].flatMap(({ json }) => json.gone)).toEqual(['c0']);
    const fourth = await next(third);
    expect(fourth.json).toMatchObject({ conversations: [], gone: [], more: false, cursor: third.json.cursor });
    await command('c1', 'AddTag', { tag: 'vip' });
    await running.project();
    expect(rooms(await next(fourth))).toEqual(['c1']);
  });

  it('tells a visitor of a removal, and nothing of anybody else’s', async () => {
    await start('c0', { visitor: 'vera' });
    await start('c1', { visitor: 'eve' });
    await running.project();
    const first = await get('/v1/conversations', VERA);
    await command('c0', 'RemoveVisitor', { reason: 'rude' });
    await command('c1', 'PostMessage', { text: 'for eve' });
    await running.project();
    const changes = await get(`/v1/conversations?cursor=${String(first.json.cursor)}`, VERA);
    expect(changes.json).toMatchObject({ conversations: [], gone: ['c0'] });
  });
});

describe('participants', () => {
  it('of a conversation, and conversations of a participant, in pages', async () => {
    await converse();
    await start('43', { visitor: 'vera' });
    await running.project();
    const page = await get('/v1/conversations/42/participants?limit=1');
    expect(page.json.participants).toMatchObject([
      { participant: 'ada', role: 'supervisor', messages: 2, joined: false },
    ]);
    const next = await get(`/v1/conversations/42/participants?limit=1&cursor=${String(page.json.cursor)}`);
    expect(next.json.participants).toMatchObject([{ participant: 'vera', role: 'visitor', messages: 1 }]);
    const last = await get(`/v1/conversations/42/participants?cursor=${String(next.json.cursor)}`);
    expect(last.json).toMatchObject({ participants: [], cursor: null });
    const of = await get('/v1/participants/vera/conversations');
    expect((of.json.conversations as Items).map(({ conversation }) => conversation).sort()).toEqual(['42', '43']);
    expect((await get('/v1/participants/auth0%7C5%2F7/conversations')).json.conversations).toEqual([]);
    expect((await get(`/v1/participants/ada/conversations?cursor=${String(page.json.cursor)}`)).json).toMatchObject({
      ...{ status: 400, path: 'cursor' },
    });
  });
});

describe('the volume', () => {
  it('counts by the days of a time zone, those without anything among them', async () => {
    await converse();
    const path = '/v1/volume?from=2026-03-01&to=2026-03-03&timeZone=Asia/Kathmandu';
    const { json } = await get(path, { role: 'auditor' });
    const none = { messages: 0, visitorMessages: 0, started: 0, closed: 0 };
    expect(json).toMatchObject({
      ...{ log: LOG, dimension: 'all', by: 'day', timeZone: 'Asia/Kathmandu' },
      buckets: [
        {
          ...{ from: '2026-03-01T00:00:00+05:45', to: '2026-03-02T00:00:00+05:45' },
          counters: { ...none, messages: 3, visitorMessages: 1, staffMessages: 2, started: 1 },
        },
        { from: '2026-03-02T00:00:00+05:45', to: '2026-03-03T00:00:00+05:45', counters: none },
      ],
      totals: { messages: 3, started: 1 },
    });
    const hours = await get(
      '/v1/volume?from=2026-03-01T12:00:00Z&to=2026-03-01T13:15:00Z&by=hour&dimension=tag&value=complaint',
    );
    expect(hours.json).toMatchObject({
      value: 'complaint',
      buckets: [
        { from: '2026-03-01T12:00:00+00:00', counters: { messages: 2 } },
        { from: '2026-03-01T13:00:00+00:00', to: '2026-03-01T13:15:00+00:00', counters: { messages: 0 } },
      ],
    });
    expect((await get('/v1/volume?from=2026-03-01&to=2026-03-02&by=week')).json.buckets).toHaveLength(1);
  });

  it('is of all, by day and in UTC where nothing else is asked for, and names a time zone as it was asked for', async () => {
    await converse();
    const { json } = await get('/v1/volume?from=2026-03-01&to=2026-03-02');
    expect(json).toMatchObject({ dimension: 'all', by: 'day', timeZone: 'UTC', totals: { messages: 3 } });
    const spelt = await get('/v1/volume?from=2026-03-01&to=2026-03-02&timeZone=asia/kathmandu');
    expect(spelt.json).toMatchObject({ timeZone: 'asia/kathmandu', buckets: [{ from: '2026-03-01T00:00:00+05:45' }] });
  });
});

describe('every query', () => {
  const PATHS = [
    '/v1/conversations',
    '/v1/conversations/42/messages',
    '/v1/conversations/42/participants',
    '/v1/participants/vera/conversations',
    '/v1/volume?from=2026-03-01&to=2026-03-02',
  ];

  it.each(PATHS)('GW-1: %s is of the token’s tenant', async path => {
    await converse();
    const { text, status } = await get(path, { tenant: 'other' });
    expect(status).toBe(path.includes('/42/') ? 404 : 200);
    for (const foreign of ['vera', 'parcel', 'looking', '"messages":3']) expect(text).not.toContain(foreign);
  });

  it.each(PATHS.slice(2))('%s is not for visitors', async path => {
    await converse();
    expect((await get(path, VERA)).json).toMatchObject({ status: 403, path: 'role' });
    for (const role of ['agent', 'supervisor', 'auditor', 'bot', 'service'] as const)
      expect((await get(path, { role })).status, role).toBe(200);
  });

  it.each(PATHS)('%s is answered 304 while it stays the same, also as the position moves on', async path => {
    await converse();
    const answer = await get(path);
    const { etag = '' } = answer.headers;
    expect(etag).toMatch(/^W\/"[\w-]{27}"$/);
    expect(answer.headers['cache-control']).toBe('private, no-cache');
    await start('elsewhere', {}, { tenant: 'other' });
    await running.project();
    const same = await get(path, {}, { 'if-none-match': `"another", ${etag}` });
    expect(same).toMatchObject({ status: 304, text: '' });
    expect(same.headers.etag).toBe(etag);
    expect(Number(same.headers['verbatim-position'])).toBeGreaterThan(Number(answer.headers['verbatim-position']));
    await command('42', 'PostMessage', { text: 'One more' }, VERA);
    await running.project();
    expect((await get(path, {}, { 'if-none-match': etag })).status).toBe(200);
    expect((await get(path, {}, { 'if-none-match': '*' })).status).toBe(304);
  });

  it.each(PATHS)('%s shows a position that it is asked for, or says when to come again', async path => {
    await converse();
    const { position } = (await command('42', 'PostMessage', { text: 'One more' }, VERA)).json;
    const from = `${path}${path.includes('?') ? '&' : '?'}minPosition=`;
    const late = await get(from + String(position));
    expect(late.json).toMatchObject({ status: 503, code: 'unavailable', path: 'minPosition', retryable: true });
    expect(late.headers['retry-after']).toBe('1');
    const waiting = get(from + String(position));
    await running.project();
    for (const name of ['messages', 'conversations']) running.readModels.noteCheckpoint(name, Number(position));
    expect((await waiting).json.position).toBe(position);
    expect((await get(`${from}9007199254740991`)).json).toMatchObject({ status: 400, path: 'minPosition' });
  });

  it.each(PATHS)('%s is unavailable while the store is away, and comes back with it', async path => {
    await converse();
    running.readStore.failing = true;
    const away = await get(path);
    expect(away.json).toMatchObject({ status: 503, code: 'unavailable' });
    expect(away.headers['retry-after']).toBe('1');
    running.readStore.failing = false;
    expect((await get(path)).status).toBe(200);
  });

  it.each(PATHS)('%s says so where an event could not be folded into what it shows', async path => {
    await converse();
    expect((await get(path)).text).not.toContain('stale');
    for (const { schema } of PROJECTIONS) {
      const generation = await running.readStore.generation(storedSchema(schema), 1);
      const from = await generation.checkpoint();
      if (from === undefined) throw new Error('Nothing is folded.');
      const pages = schema.collections.map(async ({ name: collection }) => {
        const documents = await generation.page(collection, { after: undefined, limit: 100 });
        return documents.map(before => ({
          collection,
          id: before._id,
          before,
          after: { ...before, parked: true as const },
        }));
      });
      const writes = (await Promise.all(pages)).flat();
      expect(await generation.commit({ from, to: from, writes })).toBe('committed');
    }
    expect((await get(path)).text).toContain('"stale":true');
  });

  it.each(PATHS)('%s of nothing is empty, but for a conversation that there is not', async path => {
    const shown = path.includes('/42/') ? { status: 404, code: 'unknown-room' } : { position: null, log: LOG };
    expect((await get(path)).json).toMatchObject(shown);
  });

  it.each(['', '/messages?fromSeq=7', '/messages?around=0', '/participants?limit=1'])(
    'of a conversation that was never started is 404, and empty for one that was: %s',
    async path => {
      await converse();
      expect((await get(`/v1/conversations/43${path}`)).json).toMatchObject({ status: 404, code: 'unknown-room' });
      expect((await get(`/v1/conversations/42${path}`)).status).toBe(200);
    },
  );

  it('tells a visitor no more of a conversation that was never started than of one of somebody else', async () => {
    await converse();
    const eve = { ...VERA, sub: 'eve' };
    const others = await get('/v1/conversations/42/messages', eve);
    const nobodys = await get('/v1/conversations/43/messages', eve);
    expect(others.status).toBe(403);
    expect(nobodys.text).toBe(others.text);
  });

  it('of a conversation that is not folded yet shows nothing of it, and that it is there', async () => {
    await converse();
    await start('late', { visitor: 'vera' });
    expect((await get('/v1/conversations/late/messages')).json).toMatchObject({ messages: [], next: null });
    expect((await get('/v1/conversations/late/participants')).json).toMatchObject({ participants: [], cursor: null });
  });
});
