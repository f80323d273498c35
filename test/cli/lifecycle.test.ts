/** A served process from its first moment to its last, through signals, bugs, closed pipes and too few files. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { freePort, signToken } from '../support/server-process.ts';
import { connectWire, readRooms } from '../support/wire-client.ts';
import type { WireClient } from '../support/wire-client.ts';
import { Workplace } from './support.ts';
import type { Serving } from './support.ts';

const SECRET = 'a-configured-secret-0123456789-0123456789';
const ENV = { JWT_SECRET: SECRET, HOST: '127.0.0.1' };
const ROOM = 'conversation:1';

let place: Workplace;
beforeEach(async () => {
  place = await Workplace.create();
});
afterEach(async () => {
  await place.clean();
});

function token(role: string, sub: string): string {
  return signToken(SECRET, role, sub);
}

async function post(client: WireClient, id: string, text = 'x'): Promise<void> {
  client.send({ op: 'send', id, room: ROOM, command: 'PostMessage', data: { text } });
  await client.nextOf('ack');
}

async function startRoom(server: Serving): Promise<void> {
  const client = await connectWire(server.gateway, token('agent', 'starter'));
  client.send({ op: 'send', id: 'start', room: ROOM, command: 'StartConversation', data: { channel: 'web' } });
  await client.nextOf('ack');
  await client.close();
}

/** The command ids of the room's posts, as a fresh start of the folder shows them. */
async function postsInLog(): Promise<string[]> {
  const server = await place.serve(ENV);
  const rooms = await readRooms(server.gateway, token('auditor', 'auditor'), [ROOM]);
  await server.stop('SIGTERM');
  const events = rooms.get(ROOM) ?? [];
  return events.filter(({ type }) => type === 'MessagePosted').map(({ commandId }) => commandId ?? '');
}

describe('SIGTERM', () => {
  it('GW-12: under load: clients are told to come back, what was acked is in the log, sockets close with 4001, exit code 0', async () => {
    const server = await place.serve(ENV);
    await startRoom(server);
    const acked: string[] = [];
    const talk = async (name: string): Promise<{ drained: boolean; code: number }> => {
      const socket = new WebSocket(server.gateway, ['verbatim.v1', `bearer.${token('agent', name)}`]);
      let sent = 0;
      let drained = false;
      const say = (): void => {
        const id = `${name}.${sent++}`;
        socket.send(JSON.stringify({ op: 'send', id, room: ROOM, command: 'PostMessage', data: { text: id } }));
      };
      socket.on('message', (data: Buffer) => {
        const frame = JSON.parse(data.toString()) as { op: string; id: string; retryAfterMs?: number };
        if (frame.op === 'ack') acked.push(frame.id);
        if (frame.op === 'drain') drained = true;
        if (frame.op === 'hello') for (let i = 0; i < 8; i++) say();
        else if (frame.op === 'ack') say();
        else if (frame.op === 'nack' && !drained) setTimeout(say, frame.retryAfterMs ?? 50);
      });
      const [code] = (await once(socket, 'close')) as [number];
      return { drained, code };
    };
    const talkers = Array.from({ length: 8 }, (_, index) => talk(`agent-${index}`));
    while (acked.length < 200) await delay(5);
    const begunMs = performance.now();
    const { code } = await server.stop('SIGTERM');
    expect(code).toBe(0);
    expect(performance.now() - begunMs).toBeLessThan(10_000);
    for (const talker of await Promise.all(talkers)) expect(talker).toEqual({ drained: true, code: 4001 });
    const inLog = await postsInLog();
    expect(new Set(inLog).size).toBe(inLog.length);
    expect(acked.filter(id => !inLog.includes(id))).toEqual([]);
  });

  it('ends a start promptly that reads a large log', async () => {
    const directory = join(place.directory, 'log');
    await mkdir(place.directory, { recursive: true });
    const store = await openEmbeddedEventStore({ directory });
    const bytes = Buffer.alloc(4_096, 'x');
    const event = { type: 'x', data: bytes, metadata: Buffer.from('{}'), contentType: 'application/json' } as const;
    const appends: Promise<unknown>[] = [];
    for (let stream = 0; stream < 120; stream++) {
      const events = Array.from({ length: 200 }, (_, at) => ({ ...event, id: uuidOf(stream * 200 + at) }));
      appends.push(store.append(`big-${stream}`, events, { expectedRevision: 'no-stream' }));
      if (appends.length >= 16) await Promise.all(appends.splice(0));
    }
    await Promise.all(appends);
    await store.close();
    await rm(join(directory, 'index'), { recursive: true });
    const starting = place.start(['serve'], ENV);
    while (!starting.said.stderr.includes('rebuilding the index')) await Promise.race([delay(1), starting.ended]);
    const begunMs = performance.now();
    starting.child.kill('SIGTERM');
    const { code, stderr, stdout } = await starting.ended;
    expect(performance.now() - begunMs).toBeLessThan(5_000);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toContain('stopped while starting');
  });

  it('a second one ends a drain that waits for a client, at once, with exit code 1', async () => {
    // More than the kernel takes for a socket that nobody reads.
    const server = await place.serve({ ...ENV, REQUESTS_PER_SECOND_MAX: '1000' });
    await startRoom(server);
    const writer = await connectWire(server.gateway, token('agent', 'writer'));
    for (let i = 0; i < 40; i++) await post(writer, `big.${i}`, 'x'.repeat(10_000));
    // Asks for the room many times over, and never reads a byte of it.
    const deaf = new WebSocket(server.gateway, ['verbatim.v1', `bearer.${token('agent', 'deaf')}`]);
    await once(deaf, 'message');
    deaf.pause();
    for (let i = 0; i < 240; i++) deaf.send(JSON.stringify({ op: 'history', room: ROOM, limit: 500 }));
    await delay(300);
    const { child, ended } = server;
    child.kill('SIGTERM');
    while (!server.said.stderr.includes('stopping')) await Promise.race([delay(10), ended]);
    await delay(1_200);
    expect(child.exitCode).toBeNull();
    const begunMs = performance.now();
    child.kill('SIGTERM');
    expect((await ended).code).toBe(1);
    // Long before the grace is over.
    expect(performance.now() - begunMs).toBeLessThan(4_000);
    deaf.terminate();
  });
});

describe('a start under load', () => {
  it('refuses clients or serves them, never half', async () => {
    // Known before anybody listens, and none that the clients' own connections could take.
    const ports = { HTTP_PORT: String(await freePort()), GATEWAY_PORT: String(await freePort()) };
    const first = await place.serve({ ...ENV, ...ports });
    await startRoom(first);
    const { http, gateway } = first;
    await first.stop('SIGTERM');
    const outcomes = new Map<string, number>();
    let over = false;
    const count = (what: string): void => void outcomes.set(what, (outcomes.get(what) ?? 0) + 1);
    const ask = async (): Promise<void> => {
      while (!over) {
        const answer = await fetch(`${http}/v1/conversations/1`, {
          headers: { authorization: `Bearer ${token('agent', 'ann')}` },
        }).catch(() => undefined);
        count(answer === undefined ? 'http refused' : `http ${answer.status}`);
        await answer?.text();
        await delay(2);
      }
    };
    const talk = async (name: string): Promise<void> => {
      for (let i = 0; !over; i++) {
        const client = await connectWire(gateway, token('agent', name)).catch(refused);
        if (client) {
          await post(client, `${name}.${i}`);
          count('acked');
          await client.close();
        } else count('gateway refused');
        await delay(2);
      }
    };
    const load = [ask(), ask(), talk('ann'), talk('bob'), talk('cem')];
    const server = await place.serve({ ...ENV, ...ports });
    while ((outcomes.get('acked') ?? 0) < 20 || (outcomes.get('http 200') ?? 0) < 5) await delay(10);
    over = true;
    await Promise.all(load);
    expect([...outcomes.keys()].sort()).toEqual(['acked', 'gateway refused', 'http 200', 'http refused']);
    expect((await server.stop('SIGTERM')).code).toBe(0);
    expect((await postsInLog()).length).toBe(outcomes.get('acked'));
  });
});

describe('a bug that nobody caught', () => {
  it.each(['uncaught', 'unhandled'])('is logged, and ends the server with 1: %s', async kind => {
    const file = join(place.directory, '..', 'bug.mjs');
    const bug = {
      uncaught: `throw new Error('a planted bug');`,
      unhandled: `void Promise.reject(new Error('a planted bug'));`,
    }[kind];
    await writeFile(file, `process.on('SIGUSR2', () => { ${bug ?? ''} });`);
    const server = await place.serve({ ...ENV, NODE_OPTIONS: `--import ${pathToFileURL(file).href}` });
    await startRoom(server);
    const ended = await server.stop('SIGUSR2');
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/"level":"error".*a planted bug.*a bug: ending/);
    await expect(fetch(`${server.http}/health/live`)).rejects.toThrow();
    // Nobody has the folder, and it is whole.
    expect(await postsInLog()).toEqual([]);
  });
});

describe('a closed pipe', () => {
  it('on stdout and stderr is nothing to a server', async () => {
    const started = place.start(['serve'], { ...ENV, HTTP_PORT: '0', LOG_LEVEL: 'debug' });
    started.child.stdout.destroy();
    started.child.stderr.destroy();
    const lock = join(place.directory, 'lock');
    const url = await urlOf(lock);
    for (let i = 0; i < 50; i++) expect((await fetch(`${url}/health/ready`)).status).toBe(200);
    const exited = once(started.child, 'exit');
    started.child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  });
});

describe('too few files', () => {
  it('more sockets than the process may open are nothing to those it has, and there is room again when they go', async () => {
    const server = await place.serve(ENV);
    await startRoom(server);
    const witness = await connectWire(server.gateway, token('agent', 'witness'));
    // Not from the start on, which reads more files at once than it keeps.
    execFileSync('prlimit', ['--pid', String(server.child.pid), '--nofile=80']);
    const crowd: Socket[] = [];
    const { port: httpPort } = new URL(server.http);
    const { port: gatewayPort } = new URL(server.gateway);
    for (let i = 0; i < 120; i++) {
      const socket = connect({ host: '127.0.0.1', port: Number(i % 2 === 0 ? httpPort : gatewayPort) });
      socket.on('error', () => undefined);
      crowd.push(socket);
    }
    await expect
      .poll(async () => (await readdir(`/proc/${server.child.pid}/fd`)).length, { timeout: 10_000 })
      .toBeGreaterThanOrEqual(80);
    for (let i = 0; i < 20; i++) await post(witness, `crowded.${i}`);
    for (const socket of crowd) socket.destroy();
    await expect
      .poll(() =>
        fetch(`${server.http}/health/ready`).then(
          ({ status }) => status,
          () => 0,
        ),
      )
      .toBe(200);
    await expect
      .poll(() =>
        connectWire(server.gateway, token('agent', 'late')).then(client => client.close().then(() => 'hello'), String),
      )
      .toBe('hello');
    await post(witness, 'afterwards');
    expect((await server.stop('SIGTERM')).code).toBe(0);
    expect(await postsInLog()).toHaveLength(21);
  });
});

function uuidOf(at: number): string {
  return `00000000-0000-4000-8000-${at.toString(16).padStart(12, '0')}`;
}

/** Where the owner of a folder answers, as its lock says once it does. */
async function urlOf(lock: string): Promise<string> {
  for (;;) {
    const files = await readdir(lock).catch(() => []);
    for (const file of files.filter(name => name.endsWith('.json'))) {
      const { url } = JSON.parse((await readFile(join(lock, file), 'utf8')) || '{}') as { url?: string };
      if (url !== undefined) return url;
    }
    await delay(10);
  }
}

function refused(error: unknown): undefined {
  // A connection that was taken and then cut is what must not be. One that waits to be taken while the gateway goes from its
  // first listener, which has the port to itself, to those that share it, is reset before it is one.
  if (!/connect ECONN(REFUSED|RESET)/.test(String(error))) throw error;
}
