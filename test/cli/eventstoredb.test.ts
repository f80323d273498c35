import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Workplace } from './support.ts';
import type { Started } from './support.ts';

const SAMPLE = join(import.meta.dirname, '..', '..', 'examples', 'ubuntu-support-sample.ndjson');

let place: Workplace;
let elsewhere: Workplace;
beforeEach(async () => {
  [place, elsewhere] = [await Workplace.create(), await Workplace.create()];
});
afterEach(async () => {
  await place.clean();
  await elsewhere.clean();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** A node on the folder of `elsewhere`. */
async function startNode(port: number): Promise<Started> {
  const node = elsewhere.start(['node', '--port', String(port)]);
  await expect.poll(() => node.said.stdout, { timeout: 15_000 }).toContain('is served at');
  return node;
}

async function statusOf(url: string): Promise<number> {
  return fetch(url).then(
    answer => answer.body?.cancel().then(() => answer.status) ?? answer.status,
    () => 0,
  );
}

it('serve starts while EventStoreDB is away, says so, and is ready whenever it is there', async () => {
  const [nodePort, httpPort] = [await freePort(), await freePort()];
  const url = `esdb://admin:sesame@127.0.0.1:${nodePort}?tls=false`;
  const server = place.start(['serve'], { EVENTSTORE_URL: url, HTTP_PORT: String(httpPort) });
  const health = `http://127.0.0.1:${httpPort}/health`;
  const becomes = (path: string, status: number): Promise<void> =>
    expect.poll(() => statusOf(`${health}${path}`), { timeout: 20_000 }).toBe(status);
  await becomes('/live', 200);
  await becomes('/ready', 503);
  expect(await (await fetch(`${health}/ready`)).json()).toMatchObject({
    code: 'unavailable',
    detail: expect.stringMatching(/^EventStoreDB is away/) as string,
  });
  const node = await startNode(nodePort);
  await becomes('/ready', 200);
  const imported = await place.run(['import', SAMPLE]);
  expect(imported.stdout).toContain('525 imported');
  node.child.kill('SIGKILL');
  await node.ended;
  await becomes('/ready', 503);
  await startNode(nodePort);
  await becomes('/ready', 200);
  expect((await place.run(['import', SAMPLE])).stdout).toContain('0 imported, 525 already there');
  server.child.kill('SIGTERM');
  const { code, stderr } = await server.ended;
  expect(code).toBe(0);
  expect(stderr).not.toContain('sesame');
  const config = await place.run(['config'], { EVENTSTORE_URL: url });
  expect(config.stdout).toContain(`esdb://admin:********@127.0.0.1:${nodePort}`);
  expect(config.stdout).not.toContain('sesame');
}, 90_000);

it('migrate brings a log to EventStoreDB and back, killed on the way', async () => {
  const url = `esdb://127.0.0.1:${await freePort()}?tls=false`;
  expect((await place.run(['import', SAMPLE])).code).toBe(0);
  const node = await startNode(Number(new URL(url.replace('esdb', 'http')).port));
  const there = ['migrate', '--from', place.directory, '--to', url];
  // The process needs longer than that to load and copy all of it, on the fastest machine.
  for (const ms of [250, 350]) {
    const { child, ended } = place.start(there);
    setTimeout(() => child.kill('SIGKILL'), ms);
    await ended;
  }
  const done = await place.run(there);
  expect(done).toMatchObject({ code: 0, stdout: '' });
  expect(done.stderr).toContain('every one compared');
  expect((await place.run(there)).stderr).toContain('it was done before');
  const before = await place.run(['export']);
  const exported = await place.run(['export'], { EVENTSTORE_URL: url });
  expect(exported.stdout).toBe(before.stdout);
  const back = join(place.directory, '..', 'back');
  const returned = await place.run(['migrate', '--from', 'EVENTSTORE_URL', '--to', back], { EVENTSTORE_URL: url });
  expect(returned.stderr).toContain('copy keyring, root-secret and jwt-secret there');
  expect(existsSync(join(back, 'log'))).toBe(true);
  const used = await place.run(['migrate', '--from', place.directory, '--to', back]);
  expect(used).toMatchObject({ code: 1 });
  expect(used.stderr).toContain('migration-refused');
  expect(await place.run(['migrate', '--from', 'nowhere', '--to', back])).toMatchObject({ code: 2 });
  node.child.kill('SIGTERM');
  expect((await node.ended).code).toBe(0);
}, 90_000);

it('what works on the files of a log is refused where the log is on EventStoreDB; the rest of a server is as ever', async () => {
  const [nodePort, httpPort] = [await freePort(), await freePort()];
  const url = `esdb://127.0.0.1:${nodePort}?tls=false`;
  await startNode(nodePort);
  const server = place.start(['serve'], { EVENTSTORE_URL: url, HTTP_PORT: String(httpPort) });
  await expect.poll(() => statusOf(`http://127.0.0.1:${httpPort}/health/ready`), { timeout: 20_000 }).toBe(200);
  const refusedBy = async (command: readonly string[], environment = {}): Promise<string> => {
    const { code, stdout, stderr } = await place.run(command, environment);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    return stderr;
  };
  const backup = join(elsewhere.directory, 'backup');
  expect(await refusedBy(['scavenge'])).toMatch(
    /^verbatim: not-found: http:\S+ refused scavenging: .*on an EventStoreDB/,
  );
  expect(await refusedBy(['backup', backup])).toMatch(/^verbatim: not-found: http:\S+ refused the backup: /);
  const metrics = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
  expect(metrics).toContain('verbatim_log_writable 1');
  expect(metrics).not.toContain('verbatim_log_index_pending');
  server.child.kill('SIGTERM');
  expect((await server.ended).code).toBe(0);
  for (const command of [['check'], ['scavenge'], ['backup', backup], ['restore', backup]])
    expect(await refusedBy(command, { EVENTSTORE_URL: url })).toMatch(/^verbatim: no-log: EVENTSTORE_URL is set/);
  // Without the setting: nothing begins a log in a folder that has none.
  for (const command of [['check'], ['scavenge'], ['backup', backup]])
    expect(await refusedBy(command)).toMatch(/^verbatim: no-log: .* holds no log/);
  expect(existsSync(join(place.directory, 'log'))).toBe(false);
}, 90_000);

it('no node serves, and no migration reads, what a restore has not ended', async () => {
  await mkdir(join(place.directory, 'log'), { recursive: true });
  await writeFile(join(place.directory, 'restoring.json'), '{}');
  const url = 'esdb://127.0.0.1:1?tls=false';
  for (const command of [
    ['node', '--port', '0'],
    ['migrate', '--from', place.directory, '--to', url],
  ])
    expect(await place.run(command)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^verbatim: restore-not-ended: /) as string,
    });
});
