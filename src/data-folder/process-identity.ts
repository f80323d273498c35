/**
 * Which process is this, and does that one still run? A pid alone says neither: pids are reused, and each container
 * counts its own. So an identity carries what makes a pid unique on one machine: the boot it belongs to, its pid
 * namespace and its start time, where the system tells them (Linux); elsewhere only host and pid.
 */
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';

export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** Random id of this boot of the kernel; containers of one machine share it. */
  readonly bootId?: string | undefined;
  readonly pidNamespace?: string | undefined;
  /** Clock ticks from boot to the process's start. */
  readonly startTicks?: string | undefined;
}

/** `unsure`: it cannot be known from here, or the process is on its way out; look again, or watch for signs of life. */
export type Liveness = 'running' | 'gone' | 'unsure';

export async function currentProcess(): Promise<ProcessIdentity> {
  const [bootId, pidNamespace, stat] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => undefined),
    readlink('/proc/self/ns/pid').catch(() => undefined),
    readProcessStat(process.pid),
  ]);
  return { pid: process.pid, host: hostname(), bootId: bootId?.trim(), pidNamespace, startTicks: stat?.startTicks };
}

export async function livenessOf(other: ProcessIdentity, self: ProcessIdentity): Promise<Liveness> {
  const sameKernel = self.bootId !== undefined && self.bootId === other.bootId;
  if (sameKernel && self.pidNamespace !== undefined && self.pidNamespace === other.pidNamespace) {
    const stat = await readProcessStat(other.pid);
    if (stat === undefined || stat.startTicks !== other.startTicks) return 'gone';
    if (stat.state !== 'Z' && stat.state !== 'X') return 'running';
    // A killed process may be a zombie while one of its threads still finishes a write to the log.
    return stat.threads > 1 ? 'unsure' : 'gone';
  }
  const noProc = self.bootId === undefined && other.bootId === undefined;
  if (noProc && self.host === other.host && !pidExists(other.pid)) return 'gone';
  return 'unsure';
}

interface ProcessStat {
  readonly state: string;
  readonly threads: number;
  readonly startTicks: string;
}

/** Undefined where there is no such process or no /proc. Fields as numbered in proc(5). */
async function readProcessStat(pid: number): Promise<ProcessStat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  // The second field is the program's name in parentheses and may hold spaces and parentheses itself.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, threads, startTicks] = [fields[0], fields[17], fields[19]];
  if (state === undefined || threads === undefined || startTicks === undefined) return undefined;
  return { state, threads: Number(threads), startTicks };
}

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
