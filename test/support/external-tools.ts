/**
 * Tools from outside that some tests drive: a Python with `websockets`, Schemathesis, a server that speaks MongoDB's protocol, and a Chromium. Each is looked for once a
 * process. A test whose tool is absent is skipped and the end of the run says so loudly; with REQUIRE_EXTERNALS=1 (as in
 * CI) an absent tool is an error instead, so that a skip there cannot pass for a check.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

export type ExternalTool =
  | { readonly found: true; readonly path: string; readonly version: string }
  | { readonly found: false; readonly why: string };

const PROBE_TIMEOUT_MS = 15_000;
const REPOSITORY = join(import.meta.dirname, '..', '..');

/** PYTHON, else the checkout's .venv, else `python3`: the first that can import `websockets`. */
export function findPython(): ExternalTool {
  const { PYTHON } = process.env;
  const candidates = PYTHON ? [PYTHON] : [join(REPOSITORY, '.venv', 'bin', 'python'), 'python3'];
  const refusals: string[] = [];
  for (const path of candidates) {
    const probe = run(path, ['-c', 'import sys, websockets; print(sys.version.split()[0], websockets.__version__)']);
    if (!probe.ok) {
      refusals.push(`${path}: ${probe.why}`);
      continue;
    }
    const [python = '?', websockets = '?'] = probe.output.split(' ');
    return { found: true, path, version: `Python ${python}, websockets ${websockets}` };
  }
  return absent('Python with websockets', refusals);
}

/** PYTHON, else the checkout's .venv: a client of EventStoreDB in another language. */
export function findKurrentDbClient(): ExternalTool {
  const path = process.env.PYTHON || join(REPOSITORY, '.venv', 'bin', 'python');
  const version = 'from importlib.metadata import version; import kurrentdbclient; print(version("kurrentdbclient"))';
  const probe = run(path, ['-c', version]);
  return probe.ok
    ? { found: true, path, version: `kurrentdbclient ${probe.output}` }
    : absent('kurrentdbclient', [`${path}: ${probe.why}`]);
}

/** Beside PYTHON, else in the checkout's .venv. */
export function findSchemathesis(): ExternalTool {
  const { PYTHON } = process.env;
  const path = join(PYTHON ? dirname(PYTHON) : join(REPOSITORY, '.venv', 'bin'), 'schemathesis');
  if (!existsSync(path)) return absent('Schemathesis', [`${path}: no such file`]);
  const probe = run(path, ['--version']);
  return probe.ok ? { found: true, path, version: probe.output } : absent('Schemathesis', [`${path}: ${probe.why}`]);
}

/** A server that speaks MongoDB's protocol: beside PYTHON, else in the checkout's .venv. */
export function findSecantusDb(): ExternalTool {
  const { PYTHON } = process.env;
  const folder = PYTHON ? dirname(PYTHON) : join(REPOSITORY, '.venv', 'bin');
  const path = join(folder, 'secantusd-py');
  if (!existsSync(path)) return absent('SecantusDB', [`${path}: no such file`]);
  const probe = run(PYTHON || join(folder, 'python'), [
    '-c',
    'from importlib.metadata import version; print(version("secantusdb"))',
  ]);
  return probe.ok
    ? { found: true, path, version: `SecantusDB ${probe.output}` }
    : absent('SecantusDB', [`${path}: ${probe.why}`]);
}

/** CHROMIUM, else Debian's place for it. */
export function findChromium(): ExternalTool {
  const path = process.env.CHROMIUM || '/usr/bin/chromium';
  if (!existsSync(path)) return absent('Chromium', [`${path}: no such file`]);
  const probe = run(path, ['--version', '--no-sandbox']);
  return probe.ok ? { found: true, path, version: probe.output } : absent('Chromium', [`${path}: ${probe.why}`]);
}

function absent(what: string, refusals: readonly string[]): ExternalTool {
  const why = refusals.join('; ');
  if (process.env.REQUIRE_EXTERNALS === '1') throw new Error(`${what} is required here (REQUIRE_EXTERNALS=1): ${why}`);
  return { found: false, why };
}

function run(path: string, args: readonly string[]): { ok: true; output: string } | { ok: false; why: string } {
  try {
    const output = execFileSync(path, args, { encoding: 'utf8', timeout: PROBE_TIMEOUT_MS, stdio: 'pipe' });
    return { ok: true, output: output.trim() };
  } catch (error) {
    const lines = (error instanceof Error ? error.message : String(error)).trim().split('\n');
    return { ok: false, why: lines.at(-1) ?? 'failed' };
  }
}
