import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask, startHttp } from './support.ts';
import type { TestServer } from './support.ts';

let root: string;
let running: TestServer;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'verbatim-page-'));
  await mkdir(join(root, 'page', 'assets'), { recursive: true });
  await writeFile(join(root, 'page', 'index.html'), '<!doctype html><title>Verbatim</title>');
  await writeFile(join(root, 'page', 'assets', 'main-abc.js'), 'export {};');
  await writeFile(join(root, 'root-secret'), 'not for anyone');
  running = await startHttp({ pageDirectory: join(root, 'page') });
});
afterEach(async () => {
  await running.server.close(0);
  await rm(root, { recursive: true, force: true });
});

describe('the page', () => {
  it('is served at / with its policy, and asked for anew each time', async () => {
    const { status, headers, text } = await ask(`${running.url}/`);
    expect(status).toBe(200);
    expect(text).toContain('Verbatim');
    expect(headers['content-type']).toContain('text/html');
    expect(headers['cache-control']).toBe('no-cache');
    expect(headers['content-security-policy']).toContain("script-src 'self'");
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
  });

  it('has files that never change, kept for good', async () => {
    const { headers } = await ask(`${running.url}/assets/main-abc.js`);
    expect(headers['cache-control']).toContain('immutable');
    expect(headers['content-type']).toContain('javascript');
  });

  it('leads to no file beside it', async () => {
    for (const path of ['/../root-secret', '/%2e%2e/root-secret', '/assets/..%2f..%2froot-secret', '/assets/']) {
      const answer = await ask(`http://127.0.0.1:${running.port}`, { path });
      expect([400, 403, 404], path).toContain(answer.status);
      expect(answer.text, path).not.toContain('not for anyone');
      expect(answer.headers['content-type'], path).toContain('problem+json');
    }
  });
});
