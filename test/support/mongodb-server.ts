/**
 * The MongoDB of the tests: a SecantusDB as a child process on a port and a folder of its own, one for each process that tests
 * run in, ended with it whatever ends it; or the real one that MONGODB_URL names. Every test has a database of its own,
 * gone when it has finished.
 */
import { randomUUID } from 'node:crypto';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import type { Document } from 'mongodb';
import { onTestFinished } from 'vitest';
import type { ExternalTool } from './external-tools.ts';
import { findSecantusDb } from './external-tools.ts';
import { cleanEnvironment, freePort, isOver, watch } from './server-process.ts';

const START_TIMEOUT_MS = 60_000;
const OUTPUT_CHARACTERS_MAX = 64_000;

/** A server that answers. */
export interface MongoDb {
  /** A new one. */
  database(): { readonly url: string; drop(): Promise<void> };
  /** Of a new one, dropped when the test has finished. */
  freshUrl(): string;
  /** Runs a command of the database `admin`, past the product. */
  admin(command: Document): Promise<Document>;
}

/** One that tests may kill, of their own. */
export interface MongoDbProcess extends MongoDb {
  /** SIGKILL; resolves once the process is gone. */
  kill9(): Promise<void>;
  /** SIGSTOP; returns once it stands still. */
  hang(): void;
  /** SIGCONT. */
  goOn(): void;
  /** Starts it again on the same port and folder; resolves once it answers. */
  start(): Promise<void>;
  /** Ends it and removes its folder. */
  dispose(): Promise<void>;
}

/** What tests of MongoDB run on, if on anything. */
export function findMongoDb(): ExternalTool {
  const { MONGODB_URL } = process.env;
  return MONGODB_URL ? { found: true, path: MONGODB_URL, version: 'a real MongoDB' } : findSecantusDb();
}

/** Of SecantusDB's holes (the plans that it shows, first of all) nothing is said of the real one. */
export const isRealMongoDb = Boolean(process.env.MONGODB_URL);

let shared: Promise<MongoDb> | undefined;

/** The one of this process. */
export function sharedMongoDb(): Promise<MongoDb> {
  const { MONGODB_URL } = process.env;
  shared ??= MONGODB_URL ? Promise.resolve(databasesOf(MONGODB_URL)) : startMongoDb();
  return shared;
}

export async function startMongoDb(): Promise<MongoDbProcess> {
  const tool = findSecantusDb();
  if (!tool.found) throw new Error(`There is no SecantusDB here: ${tool.why}`);
  const folder = mkdtempSync(join(tmpdir(), 'verbatim-mongodb-'));
  removeWithThisProcess(folder);
  const port = await freePort();
  const url = `mongodb://127.0.0.1:${port}/?replicaSet=secantus`;
  const flags = ['--host', '127.0.0.1', '--port', String(port), '--storage-path', join(folder, 'data')];
  let child: ChildProcess | undefined;
  let output = '';

  const start = async (): Promise<void> => {
    output = '';
    const starting = spawn(
      tool.path,
      [...flags, '--sync-on-commit', '--log-level', 'WARNING', '--enable-test-commands'],
      { cwd: folder, env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] },
    );
    child = starting;
    watch(starting);
    for (const stream of [starting.stdout, starting.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-OUTPUT_CHARACTERS_MAX);
      });
    const ended = once(starting, 'exit').then(() => {
      throw new Error(`The MongoDB ended with ${starting.exitCode ?? starting.signalCode ?? '?'}:\n${output}`);
    });
    // Where it answers, how it ends later is nobody's business here.
    ended.catch(() => undefined);
    await Promise.race([command(url, { ping: 1 }), ended]);
  };

  const kill9 = async (): Promise<void> => {
    if (!child || isOver(child)) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };

  const hang = (): void => {
    child?.kill('SIGSTOP');
    // Its threads stop one after the other, and until the last has it may still answer.
    while (!hasStopped(child?.pid ?? 0));
  };

  const dispose = async (): Promise<void> => {
    await kill9();
    rmSync(folder, { recursive: true, force: true });
  };

  try {
    await start();
  } catch (error) {
    await dispose();
    throw error;
  }
  return { ...databasesOf(url), start, kill9, dispose, hang, goOn: () => void child?.kill('SIGCONT') };
}

/** By each thread's state; where there is no /proc it is taken for granted. */
function hasStopped(pid: number): boolean {
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) return true;
  return readdirSync(tasks).every(task => readFileSync(`${tasks}/${task}/stat`, 'utf8').includes(') T '));
}

function databasesOf(url: string): MongoDb {
  const database = (): ReturnType<MongoDb['database']> => {
    const fresh = withDatabase(url, `verbatim_test_${randomUUID().slice(0, 13)}`);
    return { url: fresh, drop: () => withClient(fresh, async client => void (await client.db().dropDatabase())) };
  };
  return {
    database,
    admin: asked => command(url, asked),
    freshUrl: () => {
      const { url: fresh, drop } = database();
      onTestFinished(() => drop().catch(() => undefined));
      return fresh;
    },
  };
}

function command(url: string, asked: Document): Promise<Document> {
  return withClient(url, client => client.db('admin').command(asked));
}

/** Another one than the product's. */
export async function withClient<Result>(url: string, run: (client: MongoClient) => Promise<Result>): Promise<Result> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: START_TIMEOUT_MS });
  try {
    return await run(client);
  } finally {
    await client.close();
  }
}

/** Credentials stay those of the database that they were of. */
function withDatabase(url: string, name: string): string {
  const [, head = url, named = '', query = ''] = /^([a-z+]+:\/\/[^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(url) ?? [];
  const options = new URLSearchParams(query);
  if (head.includes('@') && !options.has('authSource')) options.set('authSource', named || 'admin');
  return `${head}/${name}?${options.toString()}`;
}

/** Also after a crash, of the whole group too: the pipe closes with this process, and the shell's `read` ends; the server dies by its own watchdog first. */
function removeWithThisProcess(folder: string): void {
  const watchdog = spawn('/bin/sh', ['-c', 'read -r _; sleep 1; rm -rf "$1"', 'watchdog', folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watchdog.unref();
}
