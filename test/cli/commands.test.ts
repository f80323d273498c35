import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTokenVerifier } from '../../src/auth/tokens.ts';
import { Workplace } from './support.ts';
import type { Ended } from './support.ts';

const SECRET = 'a-configured-secret-0123456789-0123456789';
const clock = { now: () => Date.now() };

let place: Workplace;
beforeEach(async () => {
  place = await Workplace.create();
});
afterEach(async () => {
  await place.clean();
});

/** One clear line with its code, nothing on stdout, no stack. */
function expectFailure(ended: Ended, exitCode: number, code: string): void {
  expect(ended.stderr).toMatch(new RegExp(`^verbatim: ${code}: [^\n]+\n$`));
  expect(ended.stderr).not.toMatch(/\n {4}at /);
  expect(ended.stdout).toBe('');
  expect(ended.code).toBe(exitCode);
}

describe('the command line', () => {
  it('says what it can, and ends with 0', async () => {
    const { code, stdout } = await place.run(['--help']);
    expect(code).toBe(0);
    for (const command of ['serve', 'token', 'import', 'config']) expect(stdout).toContain(command);
    const help = await place.run(['serve', '--help']);
    expect(help.stdout).toContain('--http-port');
    expect(help.stdout).toContain('--jwt-secret-file');
    expect(help.stdout).not.toContain('--jwt-secret <');
    expect((await place.run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [['frobnicate'], 'usage'],
    [['serve', '--nonsense'], 'usage'],
    [['import'], 'usage'],
    [['import', 'a', 'b'], 'usage'],
    [['token', '--role', 'agent'], 'usage'],
    [['token', '--role', 'king', '--sub', 'ada'], 'usage'],
    [['token', '--role', 'agent', '--sub', 'a b'], 'usage'],
    [['token', '--role', 'agent', '--sub', 'ada', '--tenant', 'system'], 'usage'],
    [['token', '--role', 'agent', '--sub', 'ada', '--expires', 'soon'], 'usage'],
    [['serve', '--http-port', 'http'], 'bad-config'],
    [['serve', '--http-port', '3000', '--gateway-port', '3000'], 'bad-config'],
  ])('refuses the usage %j with 2', async (args, code) => {
    expectFailure(await place.run(args, { JWT_SECRET: SECRET }), 2, code);
  });

  it.each([
    [['frobnicate'], 'verbatim --help'],
    [['token', '--role', 'agent'], 'verbatim token --help'],
    [['import', 'a', 'b'], 'verbatim import --help'],
  ])('sends who wrote %j to the help that has the answer', async (args, help) => {
    expect((await place.run(args)).stderr).toContain(`(see ${help})`);
  });

  it('without a command shows its help and ends with 2', async () => {
    const { code, stderr } = await place.run([]);
    expect(code).toBe(2);
    expect(stderr).toContain('serve');
  });

  it('tells a bad setting of the environment in one line, with 1', async () => {
    const ended = await place.run(['serve'], { HTTP_PORT: 'http' });
    expectFailure(ended, 1, 'bad-config');
    expect(ended.stderr).toContain('HTTP_PORT is "http": expected a whole number from 0 to 65535');
    expectFailure(await place.run(['serve'], { REDIS_URL: 'redis://x' }), 1, 'bad-config');
    const refused = await place.run(['serve'], { MONGODB_URL: 'mongodb://u:s3cret@host:port/x' });
    expectFailure(refused, 1, 'bad-config');
    expect(refused.stderr).toContain('MONGODB_URL cannot be used');
    expect(refused.stderr).not.toContain('s3cret');
  });
});

describe('token', () => {
  it('prints the token alone, signed with the configured secret', async () => {
    const args = ['token', '--tenant', 'acme', '--role', 'visitor', '--sub', 'v1', '--rooms', '42,conversation:43'];
    const { code, stdout, stderr } = await place.run([...args, '--expires', '15m'], { JWT_SECRET: SECRET });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const verdict = await createTokenVerifier({ secret: Buffer.from(SECRET), clock })(stdout.trim());
    expect(verdict).toMatchObject({
      kind: 'valid',
      claims: { sub: 'v1', tenant: 'acme', role: 'visitor', rooms: ['conversation:42', 'conversation:43'] },
    });
    const { expiresAt } = (verdict as { claims: { expiresAt: number } }).claims;
    expect(Math.abs(expiresAt - Date.now() - 900_000)).toBeLessThan(60_000);
  });

  it('needs a secret, and makes none', async () => {
    const ended = await place.run(['token', '--role', 'agent', '--sub', 'ada']);
    expectFailure(ended, 1, 'no-secret');
    expect(ended.stderr).toContain('JWT_SECRET');
    const ofIssuer = await place.run(['token', '--role', 'agent', '--sub', 'ada'], { JWKS_URL: 'http://127.0.0.1:9/' });
    expectFailure(ofIssuer, 1, 'no-secret');
    expect(ofIssuer.stderr).toContain('the issuer that JWKS_URL names');
  });

  it('never repeats a secret that is too short', async () => {
    const ended = await place.run(['token', '--role', 'agent', '--sub', 'ada'], { JWT_SECRET: 'hunter2' });
    expectFailure(ended, 1, 'bad-config');
    expect(ended.stderr).not.toContain('hunter2');
  });
});

describe('config', () => {
  it('prints what is in force, secrets masked, and warns of a misspelt variable', async () => {
    const env = { JWT_SECRET: SECRET, LOG_LEVEL: 'warn', ROOT_SECERT: 'x' };
    const { code, stdout, stderr } = await place.run(['config', '--http-port', '4711'], env);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^HTTP_PORT +4711 +3000 +port +flag$/m);
    expect(stdout).toMatch(/^LOG_LEVEL +warn +info +- +environment$/m);
    expect(stdout).not.toContain(SECRET);
    expect(stderr).toContain('did you mean ROOT_SECRET?');
  });

  it('prints the reference page of the docs', async () => {
    const { stdout } = await place.run(['config', '--markdown']);
    const page = new URL('../../docs/operators/configuration.md', import.meta.url);
    expect(stdout).toBe(await readFile(page, 'utf8'));
  });
});
