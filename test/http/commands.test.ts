import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StreamNotFoundError } from '../../src/event-store/errors.ts';
import type { Claims } from '../../src/domain/claims.ts';
import { conversationCommandSchemas } from '../../src/schemas/conversation-commands.ts';
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

let keys = 0;

interface Sent {
  readonly as?: Partial<Claims>;
  readonly key?: string;
  readonly headers?: Record<string, string>;
  readonly raw?: string;
}

async function post(path: string, data: unknown, { as = {}, key, headers = {}, raw }: Sent = {}): Promise<Answer> {
  return ask(`${running.url}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await tokenOf({ sub: 'ada', role: 'agent', ...as })}`,
      'content-type': 'application/json',
      'idempotency-key': key ?? `key-${++keys}`,
      ...headers,
    },
    body: raw ?? JSON.stringify(data),
  });
}

function command(conversation: string, type: string, data: unknown, sent: Sent = {}): Promise<Answer> {
  return post(`/v1/conversations/${conversation}/commands/${type}`, data, sent);
}

const start = (conversation: string, sent: Sent = {}, data: object = {}) =>
  command(conversation, 'StartConversation', { channel: 'web', ...data }, sent);

async function stored(tenant: string, conversation: string) {
  const events = [];
  try {
    for await (const event of running.store.readStream(`conversation-${tenant}.${conversation}`)) events.push(event);
  } catch (error) {
    if (!(error instanceof StreamNotFoundError)) throw error;
  }
  return events;
}

describe('a command', () => {
  it('is acked with the revisions of its events, and the ETag of the last', async () => {
    const started = await start('42', { key: 'a' });
    expect(started.status).toBe(200);
    expect(started.json).toMatchObject({
      conversation: '42',
      commandId: 'a',
      first: 0,
      last: 0,
      position: expect.any(String) as string,
      duplicate: false,
    });
    expect(started.headers.etag).toBe(`"${LOG}.0"`);
    const posted = await command('42', 'PostMessage', { text: 'Hello' });
    expect(posted.json).toMatchObject({ first: 1, last: 1 });
  });

  it.each(Object.keys(conversationCommandSchemas))('%s has a route', async type => {
    const answer = await command('42', type, 'no object');
    expect(answer.json).toMatchObject({ code: 'bad-request', status: 400 });
  });

  it('without data needs no body', async () => {
    await start('42');
    const joined = await command('42', 'JoinConversation', undefined, { raw: '' });
    expect(joined.json).toMatchObject({ first: 1, duplicate: false });
    const nulled = await command('42', 'JoinConversation', null);
    expect(nulled.status).toBe(400);
  });

  it('that changes nothing says so', async () => {
    await start('42');
    await command('42', 'AddTag', { tag: 'vip' });
    expect((await command('42', 'AddTag', { tag: 'vip' })).json).toMatchObject({ first: null, last: 1 });
  });

  it('that a rule refuses is 422 with the reason', async () => {
    const refused = await command('42', 'PostMessage', { text: 'Hello' });
    expect(refused.headers['content-type']).toContain('application/problem+json');
    expect(refused.json).toMatchObject({
      type: 'urn:verbatim:problem:rejected',
      status: 422,
      reason: 'not-started',
      retryable: false,
    });
  });

  it('is refused with the field that is wrong', async () => {
    expect((await command('42', 'PostMessage', { text: 7 })).json).toMatchObject({ status: 400, path: 'text' });
    expect((await command('42', 'EditMessage', { seq: -1, text: '' })).json).toMatchObject({ path: 'seq' });
    expect((await command('a b', 'PostMessage', { text: '' })).status).toBe(400);
    expect((await command('x'.repeat(129), 'PostMessage', { text: '' })).json).toMatchObject({ path: 'conversation' });
    expect((await command('42', 'PostMessage', {}, { raw: '{"text":' })).status).toBe(400);
    expect((await command('42', 'PostMessage', {}, { headers: { 'content-type': 'text/plain' } })).status).toBe(415);
    expect((await command('42', 'PostMessage', { text: 'x'.repeat(2_000) })).status).toBe(413);
    expect((await command('42', 'SayHello', {})).status).toBe(404);
  });

  it('keeps the trace it came with, and names its request in the answer and the event', async () => {
    const trace = '0af7651916cd43dd8448eb211c80319c';
    const answer = await start('42', { headers: { traceparent: `00-${trace}-b7ad6b7169203331-01` } });
    expect(answer.headers.traceparent).toMatch(new RegExp(`^00-${trace}-(?!b7ad6b7169203331)[0-9a-f]{16}-01$`));
    const [event] = await stored('acme', '42');
    const metadata = JSON.parse(Buffer.from(event?.metadata ?? []).toString()) as { traceparent: string };
    expect(metadata.traceparent).toBe(answer.headers.traceparent);
  });
});

describe('Idempotency-Key', () => {
  it('is needed', async () => {
    const answer = await ask(`${running.url}/v1/conversations/42/commands/StartConversation`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await tokenOf()}`, 'content-type': 'application/json' },
      body: '{"channel":"web"}',
    });
    expect(answer.json).toMatchObject({ status: 400, path: 'idempotency-key' });
    expect((await start('42', { key: 'a b' })).json).toMatchObject({ status: 400, path: 'idempotency-key' });
  });

  it('GW-7: the same with the same content answers the first answer and appends nothing', async () => {
    const first = await start('42', { key: 'once' });
    const again = await start('42', { key: '"once"' });
    expect(again.json).toEqual({ ...first.json, duplicate: true });
    expect(await stored('acme', '42')).toHaveLength(1);
  });

  it('the same with other content is 422', async () => {
    await start('42', { key: 'once' });
    expect((await start('42', { key: 'once' }, { topic: 'other' })).json).toMatchObject({
      status: 422,
      code: 'idempotency-mismatch',
    });
  });

  it('is 409 while the first is being worked on', async () => {
    await running.server.close(0);
    let release: () => void = () => undefined;
    const held = new Promise<void>(resolve => (release = resolve));
    let asked: () => void = () => undefined;
    const working = new Promise<void>(resolve => (asked = resolve));
    const ack = { first: 0n, last: 0n, position: 1n, duplicate: false };
    running = await startHttp({
      commands: {
        load: () => Promise.reject(new Error('not asked for')),
        handle: async () => {
          asked();
          await held;
          return ack;
        },
      },
    });
    const first = start('42', { key: 'slow' });
    await working;
    const second = await start('42', { key: 'slow' });
    expect(second.json).toMatchObject({ status: 409, code: 'in-flight', retryable: true });
    expect(second.headers['retry-after']).toBe('1');
    const other = start('43', { key: 'slow' });
    release();
    expect((await first).status).toBe(200);
    expect((await other).status).toBe(200);
  });
});

describe('If-Match', () => {
  const tag = (revision: number, log = LOG) => ({ headers: { 'if-match': `"${log}.${revision}"` } });

  it('lets a command through at the revision it names, and not after it', async () => {
    await start('42');
    expect((await command('42', 'AddTag', { tag: 'a' }, tag(0))).status).toBe(200);
    const late = await command('42', 'AddTag', { tag: 'b' }, tag(0));
    expect(late.json).toMatchObject({ status: 412, code: 'precondition-failed', path: 'if-match' });
    expect(await stored('acme', '42')).toHaveLength(2);
  });

  it('still answers a repeat with its first answer', async () => {
    await start('42');
    await command('42', 'AddTag', { tag: 'a' }, { ...tag(0), key: 'once' });
    expect((await command('42', 'AddTag', { tag: 'a' }, { ...tag(0), key: 'once' })).json).toMatchObject({
      duplicate: true,
    });
  });

  it('takes lists and *, and no tag of another log, weak or foreign', async () => {
    const send = (ifMatch: string, tagged: string) =>
      command('42', 'AddTag', { tag: tagged }, { headers: { 'if-match': ifMatch } });
    expect((await start('42', { headers: { 'if-match': '*' } })).status).toBe(412);
    await start('42');
    expect((await send('*', 'a')).status).toBe(200);
    expect((await send(`"${LOG}.7", "${LOG}.1"`, 'b')).status).toBe(200);
    expect((await send(`"${LOG}.7", "${LOG}.8"`, 'c')).status).toBe(412);
    for (const foreign of [`W/"${LOG}.2"`, '"x"', `"${LOG.replace('0', '1')}.2"`])
      expect((await send(foreign, 'c')).status, foreign).toBe(412);
    for (const nonsense of ['nonsense', '"x" "y"', '"x",', '*,"x"'])
      expect((await send(nonsense, 'c')).json, nonsense).toMatchObject({ status: 400, path: 'if-match' });
  });
});

describe('a conversation without a name', () => {
  it('is started under one id however often it is sent', async () => {
    const send = () =>
      post('/v1/conversations', { channel: 'web' }, { key: 'mine', as: { sub: 'vera', role: 'visitor' } });
    const first = await send();
    expect(first.status).toBe(201);
    const { conversation } = first.json;
    expect(first.headers.location).toBe(`/v1/conversations/${String(conversation)}`);
    expect((await send()).json).toMatchObject({ conversation, duplicate: true });
    const other = await post('/v1/conversations', { channel: 'web' }, { key: 'mine', as: { sub: 'victor' } });
    expect(other.json.conversation).not.toBe(conversation);
  });
});

describe('who may', () => {
  it('GW-1: another tenant has another conversation under the same id', async () => {
    await start('42');
    await start('42', { as: { tenant: 'other' } });
    await command('42', 'PostMessage', { text: 'Theirs' }, { as: { tenant: 'other' } });
    expect(await stored('acme', '42')).toHaveLength(1);
    expect(await stored('other', '42')).toHaveLength(2);
  });

  it('GW-2: a visitor writes into its own conversation alone', async () => {
    await start('42', {}, { visitor: 'vera' });
    const as = { role: 'visitor', rooms: ['conversation:42'] } as const;
    expect((await command('42', 'PostMessage', { text: 'Hi' }, { as: { ...as, sub: 'vera' } })).status).toBe(200);
    const refused = await command('42', 'PostMessage', { text: 'Hi' }, { as: { ...as, sub: 'eve' } });
    expect(refused.json).toMatchObject({ status: 403, code: 'forbidden' });
    expect((await command('42', 'AddNote', { text: 'x' }, { as: { ...as, sub: 'vera' } })).status).toBe(403);
  });

  it('an auditor only reads, and nobody without a token does anything', async () => {
    await start('42');
    expect((await command('42', 'AddTag', { tag: 'a' }, { as: { role: 'auditor' } })).status).toBe(403);
    const stranger = await command('42', 'AddTag', { tag: 'a' }, { headers: { authorization: '' } });
    expect(stranger.json).toMatchObject({ status: 401 });
    expect(stranger.headers['www-authenticate']).toBe('Bearer');
  });
});
