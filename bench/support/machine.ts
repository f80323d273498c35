import { cpus, release } from 'node:os';
import { readFileSync } from 'node:fs';

/** One line that says where and on what the figures below it were made. */
export function machineLine(): string {
  const [cpu] = cpus();
  const commit = process.env.BENCH_COMMIT ?? '';
  return `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, Linux ${release()}, ${cpus().length} x ${cpu?.model.trim() ?? '?'} ${commit}`;
}

export function versionOf(name: string): string {
  const file = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
