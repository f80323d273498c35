/** `verbatim node` as a child process on a port and a folder of its own, killed and restarted at will. It ends with the test. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cleanEnvironment, freePort, isOver, REPOSITORY, watch } from './server-process.ts';

const VERBATIM = join(REPOSITORY, 'bin', 'verbatim.js');
const READY_TIMEOUT_MS = 180_000;
const OUTPUT_CHARACTERS_MAX = 64_000;

export interface NodeProcess {
  /** What EVENTSTORE_URL must be to mean it. */
  readonly url: string;
  readonly dataFolder: string;
  /** What it wrote since its last start, the newest 64,000 characters. */
  output(): string;
  isRunning(): boolean;
  /** SIGKILL; resolves once the process is gone. */
  kill9(): Promise<void>;
  /** SIGTERM; resolves to the exit code. */
  stop(): Promise<number | null>;
  /** Starts it again on the same port and folder; resolves once it listens, to how long that took in ms. */
  start(): Promise<number>;
  /** Ends it and removes its folder. */
  dispose(): Promise<void>;
}

export async function startNodeProcess(more: Readonly<Record<string, string>> = {}): Promise<NodeProcess> {
  const dataFolder = mkdtempSync(join(tmpdir(), 'verbatim-node-'));
  const port = String(await freePort());
  const environment = cleanEnvironment({ DATA_DIR: dataFolder, EVENTSTORE_PORT: port, LOG_LEVEL: 'warn', ...more });
  let child: ChildProcess | undefined;
  let output = '';

  const start = async (): Promise<number> => {
    const begunMs = performance.now();
    output = '';
    const stdio = ['ignore', 'pipe', 'pipe'] as const;
    const starting = spawn(process.execPath, [VERBATIM, 'node'], {
      cwd: REPOSITORY,
      env: environment,
      stdio: [...stdio],
    });
    child = starting;
    const listening = new Promise<boolean>((resolve, reject) => {
      const timeout = setTimeout(() => {
        reject(new Error(`The node did not listen within ${READY_TIMEOUT_MS} ms:\n${output}`));
      }, READY_TIMEOUT_MS);
      for (const stream of [starting.stdout, starting.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => {
          output = (output + text).slice(-OUTPUT_CHARACTERS_MAX);
          if (output.includes('is served at')) resolve(true);
        });
      starting.once('exit', () => resolve(false));
      starting.once('exit', () => clearTimeout(timeout));
    });
    watch(starting);
    // A kill while it starts is a test's own doing, and no failure of the start.
    if (!(await listening) && starting.signalCode !== 'SIGKILL')
      throw new Error(`The node ended with ${starting.exitCode ?? starting.signalCode ?? '?'}:\n${output}`);
    return performance.now() - begunMs;
  };

  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (!child || isOver(child)) return child?.exitCode ?? null;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
    return child.exitCode;
  };

  const node: NodeProcess = {
    ...{ dataFolder, start, url: `esdb://127.0.0.1:${port}?tls=false` },
    output: () => output,
    isRunning: () => child !== undefined && !isOver(child),
    kill9: async () => {
      await end('SIGKILL');
    },
    stop: () => end('SIGTERM'),
    dispose: async () => {
      await end('SIGKILL');
      rmSync(dataFolder, { recursive: true, force: true });
    },
  };
  try {
    await start();
  } catch (error) {
    await node.dispose();
    throw error;
  }
  return node;
}
