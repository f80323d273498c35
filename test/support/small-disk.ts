/** File systems with little room, or none to write to: a tmpfs, where this process may mount one. */
import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { onTestFinished } from 'vitest';

export const NOT_MOUNTED = 'NOT RUN: a tmpfs cannot be mounted here (it needs root on Linux)';

/** Mounts one at this folder until the test has ended. False where this process may not. */
export async function mountSmallDisk(folder: string, kilobytes: number): Promise<boolean> {
  await mkdir(folder, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    return false;
  }
  onTestFinished(() => {
    execFileSync('umount', ['--lazy', folder]);
  });
  return true;
}

export function remount(folder: string, how: 'ro' | 'rw'): void {
  execFileSync('mount', ['-o', `remount,${how}`, folder], { stdio: 'ignore' });
}
