import { describe, expect, it } from 'vitest';
import { readSourceFiles } from './source-files.ts';
import type { SourceFile } from './source-files.ts';
import { SOURCE_RULES } from './source-rules.ts';

const FILES = readSourceFiles(['src', 'web', 'test', 'bench', 'docs', 'examples'], /\.(tsx?|mjs|js|py|css)$/);

/** Split so that this file does not itself hold what the rule looks for. */
const DISABLE = ['eslint', 'disable'].join('-');

const BROKEN: Readonly<Record<string, readonly SourceFile[]>> = {
  'a file has at most 400 lines': [{ path: 'src/a.ts', text: '\n'.repeat(401) }],
  'a file name is kebab-case': [
    { path: 'src/eventStore.ts', text: '' },
    { path: 'src/Gateway/hub.ts', text: '' },
    { path: 'src/event_store.ts', text: '' },
  ],
  'no name of a file or folder is a word that says nothing': [
    { path: 'src/session-manager.ts', text: '' },
    { path: 'src/utils/dates.ts', text: '' },
    { path: 'test/support/socket.helper.ts', text: '' },
  ],
  'no barrel files': [
    { path: 'src/a/index.ts', text: 'export const a = 1;' },
    { path: 'src/a/all.ts', text: `export * from './b.ts';\nexport { c } from './c.ts';` },
  ],
  'no any': [
    { path: 'src/a.ts', text: 'const a = JSON.parse(text) as any;' },
    { path: 'src/b.ts', text: 'export function b(x: Record<string, any[]>): void {}' },
  ],
  'a lint rule is switched off for a line, by name, with its reason': [
    { path: 'src/a.ts', text: `// ${DISABLE}-next-line no-console` },
    { path: 'src/b.ts', text: `/* ${DISABLE} no-console -- this file prints a lot */` },
    { path: 'src/c.ts', text: `a(); // ${DISABLE}-line` },
  ],
};

const KEPT: SourceFile = {
  path: 'src/processes/assignment-process-manager.ts',
  text: [
    `import { b } from './b.ts';`,
    '/** Says any word it likes in a comment, of any length. */',
    `// ${DISABLE}-next-line @typescript-eslint/no-non-null-assertion -- the index was checked above`,
    'export const a = b[0]!;',
  ].join('\n'),
};

describe('source files', () => {
  it('are found', () => {
    expect(FILES.map(({ path }) => path)).toContain('src/errors.ts');
    expect(FILES.length).toBeGreaterThan(20);
  });

  it('every rule has broken examples', () => {
    expect(Object.keys(BROKEN).sort()).toEqual(SOURCE_RULES.map(({ name }) => name).sort());
  });

  describe.each(SOURCE_RULES)('$name', ({ name, violations }) => {
    it('holds in every file', () => {
      expect(FILES.flatMap(file => violations(file).map(violation => `${file.path}: ${violation}`))).toEqual([]);
    });

    it.each(BROKEN[name] ?? [])('is broken by $path', file => {
      expect(violations(file)).not.toEqual([]);
    });

    it('is kept by an ordinary file', () => {
      expect(violations(KEPT)).toEqual([]);
    });
  });
});
