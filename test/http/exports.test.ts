import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import type { ExportLine } from '../../src/audit/export-line.ts';
import type { ExportConversations } from '../../src/audit/export.ts';
import { linesOf } from '../support/sample.ts';
import { ask, NOW, startHttp, tokenOf } from './support.ts';
import type { TestServer } from './support.ts';

let running: TestServer | undefined;
afterEach(async () => {
  await running?.server.close(0);
  running = undefined;
});

let commandId = 0;
async function command(conversation: string, type: string, data: object, claims: object = {}): Promise<void> {
  const answer = await ask(`${running?.url ?? ''}/v1/conversations/${conversation}/commands/${type}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await tokenOf({ sub: 'gus', role: 'agent', ...claims })}`,
      'content-type': 'application/json',
      'idempotency-key': `command-${(commandId += 1)}`,
    },
    body: JSON.stringify(data),
  });
  expect(answer.status, answer.text).toBe(200);
}

async function exportOf(claims: object = {}, query = '') {
  const headers = { authorization: `Bearer ${await tokenOf(claims)}` };
  const answer = await ask(`${running?.url ?? ''}/v1/export${query}`, { headers });
  return { ...answer, lines: answer.status === 200 ? linesOf<ExportLine>(answer.text) : [] };
}

describe('an export', () => {
  it('gives live messages as they read now, and says which were edited and redacted', async () => {
    running = await startHttp();
    commandId = 0;
    const at = new Date(NOW).toISOString();
    await command('1', 'StartConversation', { channel: 'web', visitor: 'vera' });
    await command('1', 'PostMessage', { text: 'it does not work' }, { sub: 'vera', role: 'visitor' });
    await command('1', 'PostMessage', { text: 'is it plugged in?', replyTo: 0 });
    await command('1', 'AddNote', { text: 'it never is' });
    await command('1', 'PostMessage', { text: 'my password is hunter2' }, { sub: 'vera', role: 'visitor' });
    await command('1', 'RedactMessage', { seq: 2, reason: 'a password' }, { sub: 'sue', role: 'supervisor' });
    await command('1', 'EditMessage', { seq: 1, text: 'is it plugged in' });
    await command('1', 'EditMessage', { seq: 1, text: 'is it switched on?' });
    const vera = { conversation: '1', at, author: 'vera', role: 'visitor' };
    const gus = { conversation: '1', at, author: 'gus', role: 'agent' };
    const { lines, text, headers } = await exportOf();
    expect(headers['content-type']).toContain('application/x-ndjson');
    expect(lines).toEqual([
      { ...vera, id: 'command-2', text: 'it does not work' },
      { ...gus, id: 'command-3', text: 'is it switched on?', replyTo: 'command-2', edited: { at, by: 'gus' } },
      { ...vera, id: 'command-5', text: '', redacted: { at, by: 'sue', reason: 'a password' } },
    ]);
    expect(text).not.toContain('hunter2');
    expect((await exportOf({ tenant: 'globex' })).text).toBe('');
  });

  it('shows what was erased as null, says so, and keeps every line', async () => {
    running = await startHttp();
    for (const visitor of ['vera', 'vic']) {
      await command(visitor, 'StartConversation', { channel: 'web', visitor });
      await command(visitor, 'PostMessage', { text: `${visitor} was here` }, { sub: visitor, role: 'visitor' });
      await command(visitor, 'EditMessage', { seq: 0, text: `${visitor} is here` }, { sub: visitor, role: 'visitor' });
      await command(visitor, 'PostMessage', { text: 'and a word' }, { sub: visitor, role: 'visitor' });
      await command(visitor, 'RedactMessage', { seq: 1, reason: 'mine' }, { sub: visitor, role: 'visitor' });
    }
    const erased = await ask(`${running.url}/v1/subjects/vera/erasure`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await tokenOf()}`,
        'content-type': 'application/json',
        'idempotency-key': 'erase-vera',
      },
      body: JSON.stringify({ reason: 'asked' }),
    });
    expect(erased.status).toBe(200);
    const { lines } = await exportOf();
    expect(lines.map(({ conversation, text, erased }) => [conversation, text, erased])).toEqual([
      ['vera', null, true],
      ['vera', null, true],
      ['vic', 'vic is here', undefined],
      ['vic', '', undefined],
    ]);
    expect(lines[1]?.redacted).toMatchObject({ by: 'vera', reason: null });
  });

  it('is for service, supervisor and auditor', async () => {
    running = await startHttp();
    for (const role of ['service', 'supervisor', 'auditor']) expect((await exportOf({ role })).status, role).toBe(200);
    for (const role of ['visitor', 'agent', 'bot'])
      expect((await exportOf({ role })).json, role).toMatchObject({ code: 'forbidden', status: 403 });
    expect((await ask(`${running.url}/v1/export`)).status).toBe(401);
  });

  it('answers a problem for what is not there or cannot be', async () => {
    running = await startHttp();
    expect((await exportOf({}, '?conversation=nowhere')).json).toMatchObject({ code: 'unknown-room', status: 404 });
    expect((await exportOf({}, '?from=yesterday')).json).toMatchObject({ code: 'bad-request', path: 'from' });
    const backwards = '?from=2020-01-02T00:00:00Z&to=2020-01-01T00:00:00Z';
    expect((await exportOf({}, backwards)).json).toMatchObject({ code: 'bad-request', path: 'to' });
    expect((await exportOf({}, '?conversation=a%2Fb')).json).toMatchObject({ code: 'bad-request' });
  });

  it('is not read on while its caller does not read, ends with its caller, and leaves room for others', async () => {
    const state = { pages: 0, ended: 0 };
    const page: readonly ExportLine[] = Array.from({ length: 100 }, (_, i) => ({
      ...{ id: `m${i}`, conversation: 'c', at: new Date(NOW).toISOString(), author: 'ann', role: 'agent' },
      text: 'x'.repeat(1_000),
    }));
    const endless: ExportConversations = async function* () {
      try {
        for (;;) {
          state.pages += 1;
          yield page;
          await new Promise(setImmediate);
        }
      } finally {
        state.ended += 1;
      }
    };
    running = await startHttp({ exportConversations: endless });
    const authorization = `Bearer ${await tokenOf()}`;
    const open = async () => {
      const request = httpRequest(`${running?.url ?? ''}/v1/export`, { headers: { authorization } });
      request.on('error', () => undefined).end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      return { request, response };
    };
    const first = await open();
    const second = await open();
    expect((await exportOf()).json).toMatchObject({ code: 'rate-limited', retryable: true });
    // Held: neither answer is read, so at some point nothing moves any more.
    for (let quiet = 0; quiet < 200;) {
      const before = state.pages;
      for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
      quiet = before === state.pages ? quiet + 1 : 0;
    }
    // A page is 100 KB; sockets and streams hold some, and no more.
    expect(state.pages).toBeLessThan(200);
    first.request.destroy();
    for (let turn = 0; state.ended < 1 && turn < 100_000; turn += 1) await new Promise(setImmediate);
    expect(state.ended).toBe(1);
    const third = await open();
    expect(third.response.statusCode).toBe(200);
    for (const { request } of [second, third]) request.destroy();
  });

  it('that fails on the way is cut, not ended', async () => {
    running = await startHttp({
      exportConversations: async function* (): AsyncGenerator<readonly ExportLine[]> {
        yield [{ id: 'a', conversation: 'c', at: '', author: 'a', role: 'agent', text: 'a' }];
        await new Promise(setImmediate);
        throw new Error('the disk is gone');
      },
    });
    await expect(exportOf()).rejects.toThrow();
  });
});
