import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, mkdir, readFile, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FolderLockedError, lockFolder, readLockOwner } from '../../src/data-folder/lock.ts';
import { currentProcess } from '../../src/data-folder/process-identity.ts';
import type { LockOwner } from '../../src/data-folder/lock.ts';

const STARTER = join(import.meta.dirname, 'lock-starter.ts');
const TSX = import.meta.resolve('tsx');
const onLinux = process.platform === 'linux';

let directory: string;
const children = new Set<ChildProcessWithoutNullStreams>();

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'verbatim-lock-'));
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  await rm(directory, { recursive: true, force: true });
});

interface Starter {
  readonly child: ChildProcessWithoutNullStreams;
  /** The first line it says: `held`, or `refused …`. */
  readonly answer: Promise<string>;
}

function start(): Starter {
  const child = spawn(process.execPath, ['--import', TSX, STARTER, directory]);
  children.add(child);
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const answer = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('exit', () => {
      reject(new Error(`The starter ended without an answer: ${errors}`));
    });
  });
  return { child, answer };
}

async function kill9(starter: Starter): Promise<void> {
  const exited = once(starter.child, 'exit');
  starter.child.kill('SIGKILL');
  await exited;
}

const never = (): never => {
  throw new Error('The lock was lost.');
};

async function expectRefused(attempt: Promise<unknown>): Promise<FolderLockedError> {
  const error: unknown = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FolderLockedError);
  return error as FolderLockedError;
}

/** The owner file another machine's process would have left. */
async function leaveForeignLock(identity: Partial<LockOwner>): Promise<string> {
  await mkdir(join(directory, 'lock'));
  const path = join(directory, 'lock', '1.json');
  const record = { pid: 1, host: 'elsewhere', command: 'serve', started: '2026-01-01T00:00:00.000Z', ...identity };
  await writeFile(path, JSON.stringify(record));
  return path;
}

describe('of several processes started at once', () => {
  it('exactly one owns a new folder, and the others are told who and where', { timeout: 60_000 }, async () => {
    const starters = Array.from({ length: 6 }, start);
    const answers = await Promise.all(starters.map(starter => starter.answer));
    expect(answers.filter(answer => answer === 'held')).toHaveLength(1);
    const winner = starters[answers.indexOf('held')];
    const refusals = answers.filter(answer => answer !== 'held');
    expect(refusals).toHaveLength(5);
    for (const refusal of refusals) expect(refusal).toContain(`pid ${String(winner?.child.pid)} on ${hostname()}`);
  });

  it('exactly one takes over from an owner killed with -9', { timeout: 60_000 }, async () => {
    const first = start();
    expect(await first.answer).toBe('held');
    await kill9(first);
    const starters = Array.from({ length: 5 }, start);
    const answers = await Promise.all(starters.map(starter => starter.answer));
    expect(answers.filter(answer => answer === 'held')).toHaveLength(1);
  });

  it('exactly one of many in this process too, at every generation', async () => {
    for (let generation = 0; generation < 20; generation += 1) {
      const attempts = await Promise.allSettled(
        Array.from({ length: 8 }, () => lockFolder(directory, { command: 'serve', onLost: never })),
      );
      const held = attempts.filter(attempt => attempt.status === 'fulfilled');
      expect(held).toHaveLength(1);
      await held[0]?.value.release();
    }
    expect((await readdir(join(directory, 'lock'))).length).toBeLessThanOrEqual(2);
  });
});

describe('an owner that runs', () => {
  it('is named with pid, host and address', { timeout: 30_000 }, async () => {
    const first = start();
    await first.answer;
    const refused = await expectRefused(lockFolder(directory, { command: 'import', onLost: never }));
    expect(refused.owner).toMatchObject({ pid: first.child.pid, host: hostname(), url: 'http://127.0.0.1:4711' });
    expect(refused.message).toContain(`pid ${String(first.child.pid)} on ${hostname()}`);
    expect(refused.message).toContain('http://127.0.0.1:4711');
    expect(await readLockOwner(directory)).toMatchObject({ pid: first.child.pid });
  });

  it('keeps others out until it has released, and leaves no readable trace for other users', async () => {
    const lock = await lockFolder(directory, { command: 'serve', onLost: never });
    await expectRefused(lockFolder(directory, { command: 'serve', onLost: never }));
    await lock.release();
    expect(await readLockOwner(directory)).toBeUndefined();
    const again = await lockFolder(directory, { command: 'serve', onLost: never });
    expect((await stat(join(directory, 'lock', '2.json'))).mode & 0o777).toBe(0o600);
    await again.release();
  });

  it('is told when another process has taken the folder', async () => {
    const lost = new Promise<void>(resolve => {
      lockFolder(directory, { command: 'serve', onLost: resolve, heartbeatMs: 10 }).catch(never);
    });
    await expect.poll(async () => (await readLockOwner(directory)) !== undefined).toBe(true);
    await writeFile(join(directory, 'lock', '2.json'), '{}');
    await lost;
  });
});

describe('a lock left behind', () => {
  it('by a process killed with -9 is taken over at once', { timeout: 30_000 }, async () => {
    const first = start();
    await first.answer;
    await kill9(first);
    expect(await readLockOwner(directory)).toBeUndefined();
    const lock = await lockFolder(directory, { command: 'serve', onLost: never, silenceMs: 600_000 });
    await lock.release();
  });

  it.runIf(onLinux)('whose pid now belongs to another process is taken over at once', async () => {
    const self = await currentProcess();
    await leaveForeignLock({ ...self, startTicks: '1' });
    const lock = await lockFolder(directory, { command: 'serve', onLost: never, silenceMs: 600_000 });
    await lock.release();
  });

  it('by another machine is taken over only after its heartbeat has been silent', async () => {
    await leaveForeignLock({ bootId: 'another-boot' });
    const begunMs = performance.now();
    const lock = await lockFolder(directory, { command: 'serve', onLost: never, silenceMs: 300 });
    expect(performance.now() - begunMs).toBeGreaterThanOrEqual(300);
    await lock.release();
  });

  it('by another machine whose heart still beats is refused', async () => {
    const path = await leaveForeignLock({ bootId: 'another-boot', url: 'http://elsewhere:3000' });
    const beat = setInterval(() => void utimes(path, new Date(), new Date()), 20);
    try {
      const refused = await expectRefused(
        lockFolder(directory, { command: 'serve', onLost: never, silenceMs: 60_000 }),
      );
      expect(refused.message).toContain('http://elsewhere:3000');
    } finally {
      clearInterval(beat);
    }
  });

  it.runIf(onLinux)('in another container of this machine counts as silent since its last beat', async () => {
    const { bootId } = await currentProcess();
    const path = await leaveForeignLock({ bootId, pidNamespace: 'pid:[1]' });
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(path, longAgo, longAgo);
    const lock = await lockFolder(directory, { command: 'serve', onLost: never, silenceMs: 600_000, heartbeatMs: 50 });
    await lock.release();
  });

  it.runIf(onLinux)(
    'in another container is watched for two beats, though a clock set forward says it is silent',
    async () => {
      const { bootId } = await currentProcess();
      const path = await leaveForeignLock({ bootId, pidNamespace: 'pid:[1]', url: 'http://elsewhere:3000' });
      const jumpMs = 3_600_000;
      const touch = () => utimes(path, new Date(Date.now() - jumpMs), new Date(Date.now() - jumpMs));
      await touch();
      const beat = setInterval(() => void touch(), 50);
      try {
        await expectRefused(
          lockFolder(directory, { command: 'serve', onLost: never, silenceMs: 60_000, heartbeatMs: 1_000 }),
        );
      } finally {
        clearInterval(beat);
      }
    },
  );

  it('torn by a power cut is taken over after the silence', async () => {
    await mkdir(join(directory, 'lock'));
    await writeFile(join(directory, 'lock', '1.json'), '{"pid":');
    const lock = await lockFolder(directory, { command: 'serve', onLost: never, silenceMs: 200 });
    expect(JSON.parse(await readFile(join(directory, 'lock', '2.json'), 'utf8'))).toMatchObject({ pid: process.pid });
    await lock.release();
  });
});

it('the highest number counts, whatever is missing below it', async () => {
  await mkdir(join(directory, 'lock'));
  await writeFile(
    join(directory, 'lock', '7.json'),
    JSON.stringify({ ...(await currentProcess()), command: 'serve', started: 'now' }),
  );
  const refused = await expectRefused(lockFolder(directory, { command: 'serve', onLost: never }));
  expect(refused.owner?.pid).toBe(process.pid);
  expect(await readdir(join(directory, 'lock'))).toEqual(['7.json']);
});
