import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Claims } from '../../src/domain/claims.ts';
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

async function get(path: string, as: Partial<Claims> = {}): Promise<Answer> {
  const authorization = `Bearer ${await tokenOf({ sub: 'ada', role: 'agent', ...as })}`;
  return ask(`${running.url}/v1/conversations/${path}`, { headers: { authorization } });
}

async function command(type: string, data: object, as: Partial<Claims> = {}): Promise<void> {
  const answer = await ask(`${running.url}/v1/conversations/42/commands/${type}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await tokenOf({ sub: 'ada', role: 'agent', ...as })}`,
      'content-type': 'application/json',
      'idempotency-key': `key-${++keys}`,
    },
    body: JSON.stringify(data),
  });
  expect(answer.status, `${type}: ${answer.text}`).toBe(200);
}

/** Revisions 0 to 4; the note (2) and the tag (3) are the staff's. */
async function converse(): Promise<void> {
  await command('StartConversation', { channel: 'web', visitor: 'vera', attributes: { plan: 'gold' } });
  await command('PostMessage', { text: 'Hello' }, VERA);
  await command('AddNote', { text: 'She sounds angry' });
  await command('AddTag', { tag: 'angry' });
  await command('PostMessage', { text: 'Hi Vera' });
}

const events = (answer: Answer) => answer.json.events as { rev: number; type: string; data: { text?: string } }[];

describe('the state of a conversation', () => {
  it('is told to staff with its revision, and the revision as ETag', async () => {
    await converse();
    const { status, json, headers } = await get('42');
    expect(status).toBe(200);
    expect(headers.etag).toBe(`"${LOG}.4"`);
    expect(json).toMatchObject({
      conversation: '42',
      log: LOG,
      revision: 4,
      status: 'open',
      visitor: 'vera',
      messages: 2,
      staff: { tags: ['angry'], notes: 1, attributes: ['plan'] },
    });
  });

  it('is told to its visitor without what is the staff’s', async () => {
    await converse();
    await command('QueueConversation', { queue: 'complaints' });
    const { json, text } = await get('42', VERA);
    expect(json).toMatchObject({ revision: 5, status: 'open', messages: 2, handling: { kind: 'queued' } });
    expect(json.staff).toBeUndefined();
    for (const hidden of ['angry', 'complaints', 'plan']) expect(text).not.toContain(hidden);
  });

  it('shows a snoozed conversation as open to its visitor', async () => {
    await converse();
    await command('SnoozeConversation', { until: '2026-04-01T00:00:00.000Z' });
    expect((await get('42')).json.status).toBe('snoozed');
    expect((await get('42', VERA)).json.status).toBe('open');
  });

  it('is 404 where there is none, and 403 to who may not see it', async () => {
    expect((await get('42')).json).toMatchObject({ status: 404, code: 'unknown-room' });
    await converse();
    expect((await get('42', { ...VERA, sub: 'eve' })).json).toMatchObject({ status: 403, code: 'forbidden' });
    expect((await get('42', { role: 'auditor' })).status).toBe(200);
  });

  it('GW-1: is that of the token’s tenant', async () => {
    await converse();
    expect((await get('42', { tenant: 'other' })).status).toBe(404);
  });
});

describe('the history of a room', () => {
  it('comes in pages backwards from the head, to the first revision', async () => {
    await converse();
    const newest = await get('42/events?limit=2');
    expect(newest.json).toMatchObject({ log: LOG, head: 4, after: 2, upTo: 4, more: true });
    expect(events(newest).map(({ rev }) => rev)).toEqual([3, 4]);
    const { next } = newest.json;
    expect(next).toBe(`/v1/conversations/42/events?before=3&limit=2&log=${LOG}`);
    const older = await get(String(next).replace('/v1/conversations/', ''));
    expect(older.json).toMatchObject({ after: 0, upTo: 2, more: true });
    const oldest = await get(String(older.json.next).replace('/v1/conversations/', ''));
    expect(oldest.json).toMatchObject({ after: -1, upTo: 0, more: false, next: null });
  });

  it('GW-3: comes forwards from a cursor, and covers every revision once', async () => {
    await converse();
    const seen: number[] = [];
    let path = '42/events?after=-1&limit=2';
    for (let cursor = -1; ;) {
      const { json, ...page } = await get(path);
      expect(json.after).toBe(cursor);
      seen.push(...events({ ...page, json }).map(({ rev }) => rev));
      cursor = Number(json.upTo);
      if (typeof json.next !== 'string') break;
      path = json.next.replace('/v1/conversations/', '');
    }
    expect(seen).toEqual([0, 1, 2, 3, 4]);
    expect((await get('42/events?after=4')).json).toMatchObject({ after: 4, upTo: 4, events: [], more: false });
  });

  it('counts for a visitor what it does not show', async () => {
    await converse();
    const page = await get('42/events?after=-1', VERA);
    expect(page.json).toMatchObject({ after: -1, upTo: 4, head: 4 });
    expect(events(page).map(({ rev }) => rev)).toEqual([0, 1, 4]);
    expect(page.text).not.toContain('angry');
    expect(page.text).not.toContain('gold');
  });

  it('GW-4: names a cursor that the log cannot serve', async () => {
    await converse();
    expect((await get('42/events?after=5')).json).toMatchObject({ status: 410, reason: 'beyond-head', path: 'after' });
    expect((await get('42/events?after=1&log=another')).json).toMatchObject({ status: 410, reason: 'other-log' });
    const truncateBefore = { expectedRevision: 'any' } as const;
    await running.store.setStreamMetadata('conversation-acme.42', { truncateBefore: 3n }, truncateBefore);
    const gone = await get('42/events?after=0');
    expect(gone.json).toMatchObject({ status: 410, reason: 'truncated', path: 'after' });
    expect(gone.json.detail).toContain('after=2');
    expect(events(await get('42/events?after=2')).map(({ rev }) => rev)).toEqual([3, 4]);
  });

  it('of a room without events is empty', async () => {
    expect((await get('42/events')).json).toMatchObject({ head: -1, after: -1, upTo: -1, events: [], next: null });
    expect((await get('42/events?after=-1')).json).toMatchObject({ head: -1, events: [] });
  });

  it.each([
    ['after=x', 'after'],
    ['after=', 'after'],
    ['after=-2', 'after'],
    ['after=1.5', 'after'],
    ['after=0x1', 'after'],
    ['before=-1', 'before'],
    ['limit=0', 'limit'],
    ['limit=501', 'limit'],
    ['after=1&before=2', 'before'],
    ['after=9007199254740992', 'after'],
  ])('refuses ?%s', async (query, path) => {
    expect((await get(`42/events?${query}`)).json).toMatchObject({ status: 400, path });
  });

  it('GW-2: is only for who may see the room', async () => {
    await converse();
    expect((await get('42/events', { ...VERA, sub: 'eve' })).status).toBe(403);
    expect((await get('42/events', { tenant: 'other' })).json).toMatchObject({ head: -1, events: [] });
  });
});
