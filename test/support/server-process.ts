/**
 * The built product as a child process: `verbatim serve` on ports and a folder of its own, killed and restarted at will.
 * Whatever becomes of the test (a crash too) the server ends with it: a watchdog reads from a pipe that closes then.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export const REPOSITORY = join(import.meta.dirname, '..', '..');
const VERBATIM = join(REPOSITORY, 'bin', 'verbatim.js');

const READY_TIMEOUT_MS = 30_000;
const READY_POLL_MS = 20;
const STOP_TIMEOUT_MS = 30_000;
const OUTPUT_CHARACTERS_MAX = 64_000;
/** Below the ports that the kernel lends to outgoing connections, so that a killed server finds its own free again. */
const PORT_MIN = 15_000;
const PORT_MAX = 31_999;
const PORT_TRIES = 100;

export interface TokenOptions {
  readonly tenant?: string;
  readonly rooms?: readonly string[];
  readonly expiresInSeconds?: number;
}

export interface ServerProcess {
  readonly dataFolder: string;
  readonly httpUrl: string;
  /** `ws://…/v1/socket` */
  readonly gatewayUrl: string;
  /** What the environment of a client command (`verbatim import`) must hold to mean this server. */
  readonly environment: Readonly<Record<string, string>>;
  /** What the server wrote since its last start, the newest 64,000 characters. */
  output(): string;
  isRunning(): boolean;
  /** Of the last start. */
  pid(): number;
  /** SIGKILL; resolves once the process is gone. */
  kill9(): Promise<void>;
  /** SIGTERM; resolves to the exit code. @throws Error when it has not ended within 30 s, after killing it. */
  stop(): Promise<number | null>;
  /** Starts it again on the same ports and folder; resolves once it is ready, to how long that took in ms. */
  start(): Promise<number>;
  /** Starts it again without waiting for anything: `untilReady` does. */
  launch(): void;
  /** @throws Error when it ends, or is not ready within 30 s or as given */
  untilReady(withinMs?: number): Promise<void>;
  /** Sends a signal without waiting for what comes of it. */
  signal(signal: NodeJS.Signals): void;
  /** Signed with the server's own secret. */
  token(role: string, sub: string, options?: TokenOptions): string;
  /** Ends it and removes the folder if it was made here. */
  dispose(): Promise<void>;
}

export interface ServerOptions {
  /** Default: a temporary one. */
  readonly dataFolder?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

export async function startServer(options: ServerOptions = {}): Promise<ServerProcess> {
  const dataFolder = options.dataFolder ?? mkdtempSync(join(tmpdir(), 'verbatim-server-'));
  const [httpPort, gatewayPort] = [await freePort(), await freePort()];
  const environment: Record<string, string> = {
    DATA_DIR: dataFolder,
    HTTP_PORT: String(httpPort),
    GATEWAY_PORT: String(gatewayPort),
    ...options.environment,
  };
  const httpUrl = `http://127.0.0.1:${httpPort}`;
  let child: ChildProcess | undefined;
  let watchdog: ChildProcess | undefined;
  let output = '';

  const launch = (): void => {
    output = '';
    const starting = spawn(process.execPath, [VERBATIM, 'serve'], {
      cwd: REPOSITORY,
      env: cleanEnvironment(environment),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = starting;
    for (const stream of [starting.stdout, starting.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-OUTPUT_CHARACTERS_MAX);
      });
    }
    watchdog = watch(starting);
  };

  const ready = async (withinMs = READY_TIMEOUT_MS): Promise<void> => {
    if (!child) throw new Error('The server was not started.');
    await untilReady(httpUrl, child, () => output, withinMs);
  };

  const start = async (): Promise<number> => {
    const begunMs = performance.now();
    launch();
    await ready();
    return performance.now() - begunMs;
  };

  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (!child || isOver(child)) return child?.exitCode ?? null;
    const exited = once(child, 'exit');
    child.kill(signal);
    const timeout = new AbortController();
    const inTime = await Promise.race([
      exited.then(() => true),
      delay(STOP_TIMEOUT_MS, false, { signal: timeout.signal }).catch(() => false),
    ]);
    timeout.abort();
    if (!inTime) child.kill('SIGKILL');
    await exited;
    watchdog?.kill('SIGKILL');
    if (!inTime) throw new Error(`The server did not end within ${STOP_TIMEOUT_MS} ms of ${signal}:\n${output}`);
    return child.exitCode;
  };

  const dispose = async (): Promise<void> => {
    await end('SIGKILL');
    if (options.dataFolder === undefined) rmSync(dataFolder, { recursive: true, force: true });
  };

  try {
    await start();
  } catch (error) {
    await dispose();
    throw error;
  }

  return {
    dataFolder,
    httpUrl,
    gatewayUrl: `ws://127.0.0.1:${gatewayPort}/v1/socket`,
    environment,
    output: () => output,
    pid: () => child?.pid ?? 0,
    isRunning: () => child !== undefined && !isOver(child),
    kill9: async () => {
      await end('SIGKILL');
    },
    stop: () => end('SIGTERM'),
    start,
    launch,
    untilReady: ready,
    signal: signal => {
      child?.kill(signal);
    },
    token: (role, sub, more = {}) =>
      signToken(environment.JWT_SECRET ?? readFileSync(join(dataFolder, 'jwt-secret'), 'utf8').trim(), role, sub, more),
    dispose,
  };
}

/** This process's environment without what would configure a server behind the test's back. */
export function cleanEnvironment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'LC_ALL', 'CI', 'NO_COLOR'];
  const inherited = kept.flatMap((name): [string, string][] => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
  return { ...Object.fromEntries(inherited), ...more };
}

/** A port of the loopback that nobody listens on now, and that the kernel lends to nobody. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORT_TRIES; tries++) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN + 1));
    const isFree = await new Promise<boolean>(resolve => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
  throw new Error(`No free port among ${PORT_TRIES} tried between ${PORT_MIN} and ${PORT_MAX}.`);
}

/** Kills the child when this process is gone: then the pipe closes, and the shell's `read` ends. */
export function watch(child: ChildProcess): ChildProcess {
  const watchdog = spawn('/bin/sh', ['-c', 'read -r _; kill -9 "$1" 2>/dev/null', 'watchdog', String(child.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watchdog.unref();
  // A server that ended takes its watchdog along, which would otherwise shoot whoever has the pid by then.
  child.once('exit', () => watchdog.kill('SIGKILL'));
  return watchdog;
}

async function untilReady(httpUrl: string, child: ChildProcess, output: () => string, withinMs: number): Promise<void> {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    if (isOver(child))
      throw new Error(`The server ended with ${child.exitCode ?? child.signalCode ?? '?'}:\n${output()}`);
    const answer = await fetch(`${httpUrl}/health/ready`).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.ok) return;
    if (performance.now() > deadlineMs) {
      throw new Error(
        `The server was not ready within ${withinMs} ms (${answer?.status ?? 'no answer'}):\n${output()}`,
      );
    }
    await delay(READY_POLL_MS);
  }
}

export function isOver(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** HS256 by hand (RFC 7519), so that the tests' tokens do not come from the code that checks them. */
export function signToken(secret: string, role: string, sub: string, options: TokenOptions = {}): string {
  const exp = Math.floor(Date.now() / 1_000) + (options.expiresInSeconds ?? 3_600);
  const claims = {
    sub,
    tenant: options.tenant ?? 'default',
    role,
    exp,
    ...(options.rooms ? { rooms: options.rooms } : {}),
  };
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const content = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`;
}
