/** A client command of the product (`verbatim verify messages`) as a child process, from its start to its end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { cleanEnvironment, REPOSITORY } from '../support/server-process.ts';

export interface CommandResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** It ends by itself, also where nobody waits for it any more. */
export async function runVerbatim(
  environment: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<CommandResult> {
  const child = spawn(process.execPath, [join(REPOSITORY, 'bin', 'verbatim.js'), ...args], {
    cwd: REPOSITORY,
    env: cleanEnvironment(environment),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => (texts[name] += text));
  await once(child, 'close');
  return { status: child.exitCode, ...texts };
}
