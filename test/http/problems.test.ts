import { connect } from 'node:net';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { Rejection } from '../../src/domain/decider.ts';
import { ERROR_CODES, RequestError, UnavailableError } from '../../src/errors.ts';
import type { ErrorCode } from '../../src/errors.ts';
import { StreamDeletedError } from '../../src/event-store/errors.ts';
import { faultOf } from '../../src/faults.ts';
import { problemOf } from '../../src/http/problems.ts';
import { ask, startHttp } from './support.ts';
import type { TestServer } from './support.ts';

let running: TestServer | undefined;
afterEach(async () => {
  await running?.server.close(0);
  running = undefined;
});

describe('problem details', () => {
  it.each(Object.keys(ERROR_CODES) as ErrorCode[])('of %s have the status and title of the one table', code => {
    const problem = problemOf(new RequestError(code, 'what happened', { path: 'data.text' }));
    const { httpStatus, title, retryable } = ERROR_CODES[code];
    expect(problem).toMatchObject({ status: httpStatus, title, retryable, code, path: 'data.text' });
    expect(problem.type).toBe(`urn:verbatim:problem:${code}`);
  });

  it('say what is known of this case before what the table says of its code', () => {
    const problem = problemOf(new RequestError('revision-conflict', 'at 3, expected 2', { retryable: false }));
    expect(problem).toMatchObject({ status: 409, code: 'revision-conflict', retryable: false });
  });

  it('of a rejection give its rule, of a dependency that is down that a retry helps', () => {
    expect(problemOf(new Rejection('not-the-author', 'no'))).toMatchObject({
      status: 422,
      code: 'rejected',
      reason: 'not-the-author',
    });
    expect(problemOf(new UnavailableError('disk full'))).toMatchObject({ status: 503, retryable: true });
  });

  it('say of every error what a socket is told of it: a deleted room is unknown, not an error of ours', () => {
    expect(problemOf(new StreamDeletedError('conversation-acme.1'))).toMatchObject({
      status: 404,
      code: 'unknown-room',
    });
    const hung = new UnavailableError('/srv/data is full', { cause: new Error('ENOSPC') });
    for (const error of [hung, new UnavailableError('stopping'), new Rejection('not-open', 'no'), new Error('x')])
      expect(problemOf(error)).toMatchObject({ code: faultOf(error).code, detail: faultOf(error).message });
    expect(problemOf(hung).detail).not.toContain('srv');
  });

  it('of an error of ours tell nothing of its inside', () => {
    const problem = problemOf(new Error('password=hunter2 at /srv/secret.ts'));
    expect(problem).toMatchObject({ status: 500, code: 'internal' });
    expect(JSON.stringify(problem)).not.toMatch(/hunter2|srv/);
  });
});

describe('every answer of the server', () => {
  it('is a problem where there is no route, without the query in it', async () => {
    running = await startHttp();
    const answer = await ask(`${running.url}/v1/nothing?token=eyJ`);
    expect(answer.status).toBe(404);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.json).toMatchObject({ code: 'not-found', status: 404 });
    expect(answer.text).not.toContain('eyJ');
  });

  it('is a problem for a body that is no JSON, too large, or of another type', async () => {
    running = await startHttp();
    const post = (body: string, type = 'application/json') =>
      ask(`${running?.url ?? ''}/v1/page/tokens`, { method: 'POST', headers: { 'content-type': type }, body });
    expect((await post('{"room":')).json).toMatchObject({ code: 'bad-request' });
    expect((await post(JSON.stringify({ room: 'x'.repeat(2_000) }))).json).toMatchObject({
      code: 'too-large',
      status: 413,
    });
    expect((await post('room=1', 'application/x-www-form-urlencoded')).json).toMatchObject({
      code: 'unsupported-media-type',
      path: 'content-type',
    });
  });

  it('is a problem for what is no HTTP at all, and the server goes on', async () => {
    running = await startHttp();
    const socket = connect(running.port, '127.0.0.1');
    let said = '';
    socket.on('data', chunk => (said += chunk.toString()));
    socket.write('NONSENSE\r\n\r\n');
    await once(socket, 'close');
    expect(said).toContain('400 Bad Request');
    expect(said).toContain('"code":"bad-request"');
    expect((await ask(`${running.url}/health/live`)).status).toBe(200);
  });

  it('carries the headers that keep a browser strict', async () => {
    running = await startHttp();
    const { headers } = await ask(`${running.url}/health/live`);
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    });
    const policy = headers['content-security-policy'];
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("connect-src 'self' ws://127.0.0.1:3001");
    expect(policy).not.toContain('unsafe');
  });

  it('names in its policy the sites that may frame the page, and no host that is none', async () => {
    running = await startHttp({ allowedOrigins: ['https://example.com'] });
    const { headers } = await ask(`${running.url}/`, { headers: { host: 'a;b script' } });
    expect(headers['content-security-policy']).toContain('frame-ancestors https://example.com');
    expect(headers['content-security-policy']).toContain("connect-src 'self' ws://127.0.0.1:3001");
  });
});

describe('health', () => {
  it('is live while the process is, and ready only when it takes work', async () => {
    let why: string | undefined = 'EventStoreDB is away.';
    running = await startHttp({ notReady: () => why });
    expect((await ask(`${running.url}/health/live`)).json).toEqual({ status: 'live' });
    const notReady = { code: 'unavailable', status: 503, detail: 'EventStoreDB is away.' };
    expect((await ask(`${running.url}/health/ready`)).json).toMatchObject(notReady);
    why = undefined;
    expect((await ask(`${running.url}/health/ready`)).json).toEqual({
      status: 'ready',
      projections: [{ name: 'conversations', state: 'live', lagEvents: 0, lagSeconds: 0 }],
    });
    expect((await ask(`${running.url}/health`)).status).toBe(200);
  });
});
