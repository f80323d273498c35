import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Claims } from '../../src/domain/claims.ts';
import { ask, LOG, startHttp, tokenOf } from './support.ts';
import type { Answer, TestServer } from './support.ts';

let running: TestServer;
beforeAll(async () => {
  running = await startHttp();
});
afterAll(async () => {
  await running.server.close(0);
  await running.keyDirectory.stop();
});

async function get(path: string, as: Partial<Claims> = {}): Promise<Answer> {
  const authorization = `Bearer ${await tokenOf({ sub: 'ada', role: 'agent', ...as })}`;
  return ask(`${running.url}/v1/${path}`, { headers: { authorization } });
}

const encoded = (cursor: unknown): string => Buffer.from(JSON.stringify(cursor)).toString('base64url');
const LIST = {
  ...{ v: 1, log: LOG, tenant: 'acme', list: 'by_status', direction: 'backwards', values: { status: 'open' } },
  ...{ phase: 'list', after: null, start: 0 },
};
const PARTICIPANTS = { v: 1, log: LOG, tenant: 'acme', of: 'conversation', id: '42', after: ['acme/ada/42'] };

describe('a query that cannot be', () => {
  it.each([
    // Lists.
    ['conversations?limit=0', 'limit'],
    ['conversations?limit=201', 'limit'],
    ['conversations?limit=1e9', 'limit'],
    ['conversations?limit=1&limit=2', 'limit'],
    ['conversations?colour=red', 'colour'],
    ['conversations?status=weird', 'status'],
    ['conversations?queue=Sales!', 'queue'],
    ['conversations?status=open&tag=vip', 'status'],
    ['conversations?priority=high', 'priority'],
    ['conversations?sort=waiting', 'sort'],
    ['conversations?sort=name', 'sort'],
    ['conversations?order=up', 'order'],
    ['conversations?status=open&status=closed', 'status'],
    ['conversations?minPosition=-1', 'minPosition'],
    ['conversations?minPosition=abc', 'minPosition'],
    ['conversations?minPosition=18446744073709551615', 'minPosition'],
    ['conversations?minPosition=9007199254740991', 'minPosition'],
    // Transcripts.
    ['conversations/42/messages?limit=501', 'limit'],
    ['conversations/42/messages?limit=0', 'limit'],
    ['conversations/42/messages?fromSeq=-1', 'fromSeq'],
    ['conversations/42/messages?fromSeq=1.5', 'fromSeq'],
    ['conversations/42/messages?fromSeq=1&fromRev=1', 'fromRev'],
    ['conversations/42/messages?fromSeq=2&toSeq=1', 'toSeq'],
    ['conversations/42/messages?from=yesterday', 'from'],
    ['conversations/42/messages?from=2026-02-30T00:00:00Z', 'from'],
    ['conversations/42/messages?from=2026-03-01', 'from'],
    ['conversations/42/messages?from=0000-12-31T23:59:59Z', 'from'],
    ['conversations/42/messages?to=9999-12-31T23:00:00-05:00', 'to'],
    ['conversations/42/messages?to=0001-01-01T00:00:00%2B14:00', 'to'],
    ['conversations/42/messages?from=%2B010000-01-01T00:00:00Z', 'from'],
    ['conversations/42/messages?from=-000001-01-01T00:00:00Z', 'from'],
    ['volume?from=0000-01-01&to=0000-01-03', 'from'],
    ['volume?from=0000-12-30T00:00:00%2B14:00&to=0001-01-01', 'from'],
    ['volume?from=-000001-01-01&to=0001-01-01', 'from'],
    ['volume?from=9999-12-29&to=9999-12-31', 'to'],
    ['volume?from=9999-12-30&to=9999-12-31T23:45:00-12:00', 'to'],
    ['volume?from=9999-12-30&to=%2B010000-01-01', 'to'],
    ['conversations/42/messages?from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z', 'to'],
    ['conversations/42/messages?after=1&before=2', 'before'],
    ['conversations/42/messages?around=1&fromSeq=0', 'around'],
    ['conversations/42/messages?seq=1', 'seq'],
    // Participants.
    ['conversations/42/participants?limit=201', 'limit'],
    ['conversations/42/participants?role=agent', 'role'],
    ['conversations/4%202/participants', 'conversation'],
    ['participants/ada/conversations?limit=0', 'limit'],
    [`participants/${'a'.repeat(201)}/conversations`, 'participant'],
    // The volume.
    ['volume', 'from'],
    ['volume?from=2026-03-01', 'to'],
    ['volume?from=2026-03-01&to=2026-03-01', 'to'],
    ['volume?from=2026-03-02&to=2026-03-01', 'to'],
    ['volume?from=2025-01-01&to=2026-03-01', 'to'],
    ['volume?from=2025-01-01&to=2026-02-06', 'to'],
    ['volume?from=0001-01-01&to=9999-12-31', 'to'],
    ['volume?from=2026-02-30&to=2026-03-03', 'from'],
    ['volume?from=2026-03-01T00:01:00Z&to=2026-03-03', 'from'],
    ['volume?from=soon&to=2026-03-03', 'from'],
    ['volume?from=2026-03-01&to=2026-03-03&by=month', 'by'],
    ['volume?from=2026-03-01&to=2026-03-03&timeZone=Mars/Olympus', 'timeZone'],
    ['volume?from=2026-03-01&to=2026-03-03&timeZone=', 'timeZone'],
    [`volume?from=2026-03-01&to=2026-03-03&timeZone=${'a'.repeat(65)}`, 'timeZone'],
    ['volume?from=2026-03-01&to=2026-03-03&dimension=mood', 'dimension'],
    ['volume?from=2026-03-01&to=2026-03-03&dimension=tag', 'value'],
    ['volume?from=2026-03-01&to=2026-03-03&value=vip', 'value'],
    ['volume?from=2026-03-01&to=2026-03-03&zone=UTC', 'zone'],
  ])('is 400, and says what is wrong: %s', async (path, at) => {
    const { status, json } = await get(path);
    expect({ status, code: json.code, path: json.path }).toEqual({ status: 400, code: 'bad-request', path: at });
    expect(json.detail).toMatch(/\S/);
  });

  it.each([
    ['conversations?limit=1.5', 'limit: must be a whole number from 1 to 200'],
    ['conversations?limit=ten', 'limit: must be a whole number from 1 to 200'],
    ['conversations?limit=201', 'limit: must be a whole number from 1 to 200'],
    ['conversations/42/messages?limit=0', 'limit: must be a whole number from 1 to 500'],
    ['conversations/42/messages?from=0000-01-01T00:00:00Z', 'from: must be of the years 0001 to 9999, in UTC'],
  ])('says within which bounds it could be: %s', async (path, detail) => {
    expect((await get(path)).json.detail).toBe(detail);
  });

  it.each(['from=0001-01-01&to=0001-01-03&timeZone=Asia/Kathmandu', 'from=9999-12-28&to=9999-12-30&by=hour'])(
    'is not one of the first or the last days that there are: %s',
    async query => {
      expect((await get(`volume?${query}`)).status).toBe(200);
    },
  );

  it('by a pair that has no index names those that have', async () => {
    const { json } = await get('conversations?tag=vip&queue=sales');
    for (const pair of ['no filter by lastActivity', 'queue by waiting', 'status and assignee by lastActivity'])
      expect(json.detail).toContain(pair);
  });
});

describe('a visitor', () => {
  it.each(['queue=sales', 'status=open', 'sort=waiting'])(
    'is not told of filters and orders that it can never use: %s',
    async query => {
      const { json } = await get(`conversations?${query}`, { sub: 'vera', role: 'visitor' });
      const path = query.split('=')[0];
      expect(json).toMatchObject({
        status: 400,
        path,
        detail: `${path}: a visitor is listed its own conversations, without a filter, by lastMessage.`,
      });
    },
  );
});

describe('a cursor', () => {
  it('that was made by hand as the server makes them works: it is no secret', async () => {
    expect((await get(`conversations?cursor=${encoded({ ...LIST, start: -1 })}`)).status).toBe(200);
    const { json } = await get(`conversations/42/participants?cursor=${encoded(PARTICIPANTS)}`);
    expect(json).toMatchObject({ status: 404, code: 'unknown-room' });
  });

  it.each([
    ['nonsense', 'nonsense'],
    ['nothing', ''],
    ['no JSON', Buffer.from('{').toString('base64url')],
    ['a number', encoded(1)],
    ['null', encoded(null)],
    ['another version', encoded({ ...LIST, v: 2 })],
    ['another tenant', encoded({ ...LIST, tenant: 'other' })],
    ['another tenant and log', encoded({ ...LIST, tenant: 'other', log: 'other' })],
    ['no such list', encoded({ ...LIST, list: 'by_mood' })],
    ['a filter that the list has not', encoded({ ...LIST, values: { status: 'open', queue: 'sales' } })],
    ['no filter', encoded({ ...LIST, values: {} })],
    ['a filter of a prototype', encoded({ ...LIST, values: { toString: 'open' } })],
    ['no such phase', encoded({ ...LIST, phase: 'end' })],
    ['a place that is too short', encoded({ ...LIST, after: ['2026-03-01T12:00:00.000Z'] })],
    ['a place that is too long', encoded({ ...LIST, after: ['a', 'b', 'c'] })],
    ['a place of other types', encoded({ ...LIST, after: [1, 'b'] })],
    ['a place of changes that is one of the list', encoded({ ...LIST, phase: 'changes', after: ['a', 'b'] })],
    ['half a character', encoded({ ...LIST, after: ['\ud800', 'b'] })],
    ['a position that the log has not', encoded({ ...LIST, start: 9_007_199_254_740_991 })],
    ['a position that is none', encoded({ ...LIST, start: 1.5 })],
    ['one of participants', encoded(PARTICIPANTS)],
    ['too long', 'a'.repeat(5_000)],
  ])('of a list that is %s is 400', async (_, cursor) => {
    expect((await get(`conversations?cursor=${cursor}`)).json).toMatchObject({
      ...{ status: 400, code: 'bad-request', path: 'cursor' },
    });
  });

  it.each([
    ['a list', encoded(LIST)],
    ['another conversation', encoded({ ...PARTICIPANTS, id: '43' })],
    ['a participant', encoded({ ...PARTICIPANTS, of: 'participant' })],
    ['another tenant', encoded({ ...PARTICIPANTS, tenant: 'other' })],
    ['no place', encoded({ ...PARTICIPANTS, after: [] })],
    ['a place of other types', encoded({ ...PARTICIPANTS, after: [1] })],
  ])('of participants that is of %s is 400', async (_, cursor) => {
    expect((await get(`conversations/42/participants?cursor=${cursor}`)).json).toMatchObject({
      ...{ status: 400, code: 'bad-request', path: 'cursor' },
    });
  });

  it('of another log is 410', async () => {
    const other = '019a0000-0000-7000-8000-000000000002';
    const lost = { status: 410, code: 'cursor-lost', reason: 'other-log', path: 'cursor' };
    expect((await get(`conversations?cursor=${encoded({ ...LIST, log: other })}`)).json).toMatchObject(lost);
    const participants = encoded({ ...PARTICIPANTS, log: other });
    expect((await get(`conversations/42/participants?cursor=${participants}`)).json).toMatchObject(lost);
  });

  it('that cannot be used says why, but not of whom it is', async () => {
    const detailOf = async (path: string): Promise<unknown> => (await get(path)).json.detail;
    const none = await detailOf('conversations?cursor=nonsense');
    expect(none).toBe('cursor: is not one that an answer to you had; begin again without it.');
    expect(await detailOf(`conversations?cursor=${encoded({ ...LIST, tenant: 'other' })}`)).toBe(none);
    const ofAnother = /^cursor: is of another list than the one that is asked for/;
    expect(await detailOf(`conversations?tag=vip&cursor=${encoded({ ...LIST, start: -1 })}`)).toMatch(ofAnother);
    const other = encoded({ ...PARTICIPANTS, id: '43' });
    expect(await detailOf(`conversations/42/participants?cursor=${other}`)).toMatch(ofAnother);
  });

  it('of another list than is asked for is 400; the same may be asked for again', async () => {
    const cursor = encoded({ ...LIST, start: -1 });
    expect((await get(`conversations?status=open&cursor=${cursor}`)).status).toBe(200);
    for (const other of ['status=closed', 'status=open&order=asc', 'tag=vip', 'sort=lastActivity'])
      expect((await get(`conversations?${other}&cursor=${cursor}`)).json, other).toMatchObject({
        status: 400,
        path: 'cursor',
      });
  });
});

describe('whatever is asked', () => {
  const word = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.constantFrom(
      '0',
      '-1',
      '1',
      '99999999999999999999',
      'NaN',
      'open',
      '2026-03-01',
      '2026-03-01T00:00:00Z',
      ...['0000-01-01', '9999-12-31', '0001-01-01T00:00:00+14:00', '9999-12-31T23:45:00-12:00'],
      '%00',
      '[]',
    ),
  );
  const name = fc.constantFrom(
    ...[
      'status',
      'queue',
      'assignee',
      'visitor',
      'tag',
      'sort',
      'order',
      'limit',
      'cursor',
      'minPosition',
      'from',
      'to',
    ],
    ...['fromSeq', 'toRev', 'after', 'around', 'by', 'timeZone', 'dimension', 'value', '__proto__', 'constructor'],
  );
  const path = fc.constantFrom(
    ...['conversations', 'conversations/42/messages', 'conversations/42/participants'],
    ...['participants/ada/conversations', 'volume'],
  );

  it('is answered, and never as an error of ours', async () => {
    await fc.assert(
      fc.asyncProperty(path, fc.array(fc.tuple(name, word), { maxLength: 4 }), async (path, pairs) => {
        const query = pairs.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join('&');
        const { status, text } = await get(`${path}?${query}`);
        expect([200, 400, 404, 503], text).toContain(status);
      }),
      { numRuns: 300 },
    );
  }, 60_000);
});
