/**
 * Holds a served HTTP interface to its own OpenAPI document: Schemathesis makes requests from it, right and wrong ones,
 * and every answer must be as documented, and none an error of ours. Once as a service with any ids, once as an agent
 * with a conversation that is there, so that commands get past `not-started`.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findSchemathesis } from '../support/external-tools.ts';
import { startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { scaled, SEED } from './scale.ts';

const schemathesis = findSchemathesis();
const RUN_SECONDS = scaled(80, 20);
/** Beyond its own bound, for what it does before and after. */
const GRACE_MS = 60_000;
const CONVERSATION = 'fuzzed';
/** What makes fewer has tried nothing. */
const CASES_MIN = 500;

describe.skipIf(!schemathesis.found)('the HTTP interface', () => {
  let server: ServerProcess;
  const folder = mkdtempSync(join(tmpdir(), 'verbatim-schemathesis-'));
  beforeAll(async () => {
    const unlimited = { HTTP_REQUESTS_PER_SECOND_MAX: '1000000', HTTP_TENANT_REQUESTS_PER_SECOND_MAX: '1000000' };
    server = await startServer({ environment: { LOG_LEVEL: 'warn', ...unlimited } });
    const started = await fetch(`${server.httpUrl}/v1/conversations/${CONVERSATION}/commands/StartConversation`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${server.token('agent', 'gus')}`,
        'content-type': 'application/json',
        'idempotency-key': 'start',
      },
      body: JSON.stringify({ channel: 'web' }),
    });
    expect(started.status).toBe(200);
  });
  afterAll(async () => {
    await server.dispose();
    rmSync(folder, { recursive: true });
  });

  it.each([
    ['service', ''],
    ['agent', `[parameters]\nconversation = "${CONVERSATION}"\n`],
  ])('answers the role %s as its OpenAPI document says', async (role, config) => {
    const said = await run(role, config);
    const cases = Number(/(\d+) generated, \1 passed/.exec(said)?.[1] ?? 0);
    expect(cases, said).toBeGreaterThan(CASES_MIN);
    expect(server.isRunning()).toBe(true);
  });

  /** Gives what it said. @throws Error with it where it found something */
  function run(role: string, config: string): Promise<string> {
    const configFile = join(folder, `${role}.toml`);
    writeFileSync(configFile, config);
    const args = [
      ...['--config-file', configFile, 'run', `${server.httpUrl}/openapi.json`, '--no-color', '--workers', '2'],
      ...['-H', `Authorization: Bearer ${server.token(role, 'gus')}`],
      ...['--seed', String(SEED), '--max-time', String(RUN_SECONDS)],
      // What is well-formed is rejected all the same where a rule of conversations says no.
      ...['--checks', 'all', '--exclude-checks', 'positive_data_acceptance', '--warnings', 'off'],
      // A stream of lines, which Schemathesis cannot write; test/fuzz does.
      ...['--exclude-operation-id', 'importConversations'],
    ];
    const timeout = RUN_SECONDS * 1_000 + GRACE_MS;
    return new Promise((resolve, reject) => {
      execFile(schemathesis.found ? schemathesis.path : '', args, { cwd: folder, timeout }, (error, stdout, stderr) => {
        const said = stdout + stderr;
        if (error) reject(new Error(`Schemathesis found something (SEED=${SEED}):\n${said.slice(-12_000)}`));
        else resolve(said);
      });
    });
  }
});
