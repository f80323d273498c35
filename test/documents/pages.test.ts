import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fillMarkers } from '../../docs/generate/markdown.ts';
import { PAGES } from '../../docs/generate/pages.ts';
import { ERROR_CODES } from '../../src/errors.ts';
import { readSourceFiles, REPOSITORY } from '../architecture/source-files.ts';

const read = (path: string): string =>
  existsSync(join(REPOSITORY, path)) ? readFileSync(join(REPOSITORY, path), 'utf8') : '';

/** What `npm run docs` would change. */
function drifted(pages: typeof PAGES, page: (path: string) => string): string[] {
  return Object.entries(pages)
    .filter(([path, make]) => make(page(path)) !== page(path))
    .map(([path]) => path);
}

describe('documents written from the code', () => {
  it('say what the code says: run `npm run docs`', () => {
    expect(drifted(PAGES, read)).toEqual([]);
  });

  it.each(Object.keys(PAGES))('a change of the generated part of %s is found', path => {
    const page = read(path);
    // The last place that a marker stands behind, so that it is generated text whatever else the page has.
    const end = page.lastIndexOf('<!-- end: ');
    const at = page.lastIndexOf('e', end < 0 ? page.length : end - 1);
    const changed = `${page.slice(0, at)}E${page.slice(at + 1)}`;
    expect(drifted(PAGES, other => (other === path ? changed : read(other)))).toEqual([path]);
  });

  it('a marker that is missing, or that nothing is generated for, is an error', () => {
    const page = 'By hand.\n<!-- generated: one -->\nold\n<!-- end: one -->\nMore.\n';
    expect(fillMarkers(page, { one: 'new' })).toBe(page.replace('old', 'new'));
    expect(() => fillMarkers(page, { one: 'new', two: 'x' })).toThrow('<!-- generated: two -->');
    expect(() => fillMarkers(page, {})).toThrow('"one"');
    expect(() => fillMarkers('<!-- generated: one -->\n', { one: 'new' })).toThrow('<!-- end: one -->');
  });
});

describe('docs/errors.md', () => {
  /** Codes that a failed command of the CLI may have, as its sources name them. */
  function failureCodes(text: string): string[] {
    const made = [...text.matchAll(/new CliFailure\(\s*'([a-z-]+)'/g)];
    const mapped = [...text.matchAll(/^ {2}\[[A-Za-z]+Error, '([a-z-]+)'\],$/gm)];
    return [...made, ...mapped].map(([, code = '']) => code);
  }

  it('names every code that the command line ends with', () => {
    const codes = readSourceFiles(['src/cli'], /\.ts$/).flatMap(({ text }) => failureCodes(text));
    expect(new Set(codes).size).toBeGreaterThan(15);
    const page = read('docs/errors.md');
    const unnamed = [...new Set(codes)].filter(code => !(code in ERROR_CODES) && !page.includes(`\`${code}\``));
    expect(unnamed).toEqual([]);
  });

  it('a code is found however it is written', () => {
    expect(failureCodes("new CliFailure('a-b', 'x'); new CliFailure(\n  'c',\n'x')")).toEqual(['a-b', 'c']);
    expect(failureCodes("  [FolderLockedError, 'in-use'],")).toEqual(['in-use']);
  });
});
