import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { REPOSITORY } from './source-files.ts';

type Versions = Readonly<Record<string, string>>;

const EXACT = /^(npm:(@[a-z0-9-]+\/)?[a-zA-Z0-9._-]+@)?\d+\.\d+\.\d+(-[0-9a-z.]+)?$/;

function unpinned(versions: Versions): string[] {
  return Object.entries(versions)
    .filter(([, version]) => !EXACT.test(version))
    .map(([name, version]) => `${name}@${version}`);
}

function read(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(REPOSITORY, name), 'utf8')) as Record<string, unknown>;
}

describe('packages', () => {
  it('every dependency is pinned to one version', () => {
    const { dependencies, devDependencies, overrides } = read('package.json') as Record<string, Versions>;
    expect(unpinned({ ...dependencies, ...devDependencies, ...overrides })).toEqual([]);
  });

  it('a range, a tag and a foreign address are no pins', () => {
    const bad = {
      a: '^1.2.3',
      b: '~1.2.3',
      c: 'latest',
      d: '1',
      e: '>=1.0.0',
      f: 'npm:x@^1.0.0',
      g: 'https://x.test/y',
    };
    expect(unpinned(bad)).toHaveLength(Object.keys(bad).length);
    expect(unpinned({ a: '1.2.3', b: 'npm:uws-pack@20.0.8', c: 'npm:@x/y@1.0.0', d: '1.0.0-rc.1' })).toEqual([]);
  });

  it('the lock file names no registry, so that any mirror serves it, and carries a hash for each package', () => {
    const packages = read('package-lock.json').packages as Record<string, { resolved?: string; integrity?: string }>;
    const entries = Object.entries(packages).filter(([path]) => path !== '');
    expect(entries.length).toBeGreaterThan(50);
    expect(entries.filter(([, entry]) => entry.resolved !== undefined).map(([path]) => path)).toEqual([]);
    expect(entries.filter(([, entry]) => entry.integrity === undefined).map(([path]) => path)).toEqual([]);
  });
});
