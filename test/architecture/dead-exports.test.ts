import { describe, expect, it } from 'vitest';
import { findDeadExports } from './dead-exports.ts';
import { readSourceFiles } from './source-files.ts';

/** What tools reach by name and not by an import: the program's entry, and handlers of worker threads. */
const REACHED_FROM_OUTSIDE = ['src/main.ts: main'];

describe('exports', () => {
  it('each has a user', () => {
    const users = readSourceFiles(['src', 'web', 'test', 'bench', 'docs'], /\.tsx?$/);
    const dead = findDeadExports(
      users.filter(({ path }) => /^(src|web|test\/support)\//.test(path)),
      users,
    );
    expect(dead.filter(name => !REACHED_FROM_OUTSIDE.includes(name))).toEqual([]);
  });

  it('one without a user is found: a value, a function, a class, a type, a re-export', () => {
    const file = {
      path: 'src/a.ts',
      text: [
        'export const used = 1, deadValue = 2;',
        'export function deadFunction(): void { deadFunction(); }',
        'export class DeadClass {}',
        'export interface DeadType { x: number }',
        'export interface Options { x: number }',
        'export function create(options: Options): void {}',
        `export type { Passed } from './b.ts';`,
        'export default 1;',
      ].join('\n'),
    };
    const user = { path: 'test/b.ts', text: `import { used, create as make } from '../src/a.ts';` };
    expect(findDeadExports([file], [file, user])).toEqual(
      ['deadValue', 'deadFunction', 'DeadClass', 'DeadType', 'Passed'].map(name => `src/a.ts: ${name}`),
    );
  });

  it('a module imported whole or at run time is all used', () => {
    const file = { path: 'src/a.ts', text: 'export const x = 1;' };
    for (const text of [`import * as a from './a.ts';`, `export * from './a.ts';`, `await import('./a.ts');`]) {
      expect(findDeadExports([file], [file, { path: 'src/b.ts', text }])).toEqual([]);
    }
    expect(findDeadExports([file], [file, { path: 'src/b.ts', text: `import './a.ts';` }])).toEqual(['src/a.ts: x']);
  });
});
