/** Runs the built command line as a person does: `node bin/verbatim.js`, in a folder and an environment of its own. */
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const BIN = join(import.meta.dirname, '..', '..', 'bin', 'verbatim.js');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
  /** What it has said so far. */
  readonly said: { stdout: string; stderr: string };
}

export interface Serving extends Started {
  readonly http: string;
  readonly gateway: string;
  stop(signal: NodeJS.Signals): Promise<Ended>;
}

/** A data folder and the processes on it; `clean` ends what is left of them. */
export class Workplace {
  readonly directory: string;
  private readonly root: string;
  private readonly children = new Set<ChildProcessWithoutNullStreams>();

  private constructor(root: string) {
    this.root = root;
    this.directory = join(root, 'data');
  }

  static async create(): Promise<Workplace> {
    return new Workplace(await mkdtemp(join(tmpdir(), 'verbatim-cli-')));
  }

  /** `before`: a command that runs what follows it, as `nice` does. */
  start(args: readonly string[], env: Readonly<Record<string, string>> = {}, before: readonly string[] = []): Started {
    const [program = process.execPath, ...rest] = [...before, process.execPath, BIN, ...args];
    const child = spawn(program, rest, {
      cwd: this.root,
      env: { PATH: process.env.PATH, DATA_DIR: this.directory, HTTP_PORT: '0', GATEWAY_PORT: '0', ...env },
    });
    this.children.add(child);
    // What a test writes to a process that has ended is lost, and that is told by what it said.
    child.stdin.on('error', () => undefined);
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => (said.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (said.stderr += chunk.toString()));
    const ended = once(child, 'close').then(([code]): Ended => ({ code: code as number | null, ...said }));
    return { child, ended, said };
  }

  async run(args: readonly string[], env: Readonly<Record<string, string>> = {}, input = ''): Promise<Ended> {
    const { child, ended } = this.start(args, env);
    child.stdin.end(input);
    return ended;
  }

  /** Resolves once it listens; rejects with what it said if it ends instead. */
  async serve(env: Readonly<Record<string, string>> = {}, before: readonly string[] = []): Promise<Serving> {
    const started = this.start(['serve'], env, before);
    const { child, ended, said } = started;
    const listening = new Promise<void>(resolve => {
      child.stdout.on('data', () => {
        if (said.stdout.includes('Stop it with')) resolve();
      });
    });
    await Promise.race([
      listening,
      ended.then(({ stderr }) => {
        throw new Error(`The server ended: ${stderr}`);
      }),
    ]);
    return {
      ...started,
      http: /Page +(\S+)\//.exec(said.stdout)?.[1] ?? '',
      gateway: /Gateway +(\S+)/.exec(said.stdout)?.[1] ?? '',
      stop: signal => {
        child.kill(signal);
        return ended;
      },
    };
  }

  async clean(): Promise<void> {
    for (const child of this.children) child.kill('SIGKILL');
    await rm(this.root, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Lines of an import: `count` messages of one conversation. */
export function importLines(conversation: string, count: number, from = 0): string {
  return Array.from({ length: count }, (_, i) => {
    const at = new Date(Date.parse('2020-01-01T00:00:00Z') + (from + i) * 1_000).toISOString();
    const author = i % 2 === 0 ? 'ann' : 'bob';
    const line = {
      id: `${conversation}.${from + i}`,
      conversation,
      at,
      author,
      role: 'agent',
      text: `message ${from + i}`,
    };
    return `${JSON.stringify(line)}\n`;
  }).join('');
}
