import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSourceFiles, REPOSITORY } from './source-files.ts';
import type { SourceFile } from './source-files.ts';

/** Relative links of Markdown that lead nowhere: a missing file, or a heading that the file has not. */
function brokenLinks(documents: readonly SourceFile[], exists: (path: string) => boolean): string[] {
  const headings = new Map(documents.map(document => [document.path, anchorsOf(document.text)]));
  return documents.flatMap(({ path, text }) =>
    [...withoutCode(text).matchAll(/\]\(([^)\s]+)(?:\s+"[^"]*")?\)|^\[[^\]]+\]:\s*(\S+)/gm)]
      .map(match => match[1] ?? match[2] ?? '')
      .filter(link => !/^([a-z][a-z0-9+.-]*:|\/)/i.test(link))
      .filter(link => {
        const [file = '', anchor] = link.split('#');
        const target = file === '' ? path : normalize(join(dirname(path), decodeURI(file)));
        if (target.startsWith('..') || !exists(target)) return true;
        return anchor !== undefined && headings.has(target) && !headings.get(target)?.has(anchor);
      })
      .map(link => `${path}: ${link}`),
  );
}

function withoutCode(text: string): string {
  return text.replace(/^(```|~~~).*?^\1/gms, '').replace(/`[^`\n]*`/g, '``');
}

/** A heading's anchor the way GitHub makes it: lower case, punctuation dropped, spaces to hyphens. */
function anchorsOf(text: string): Set<string> {
  const headings = [...text.replace(/^(```|~~~).*?^\1/gms, '').matchAll(/^#+\s+(.*?)\s*#*$/gm)];
  return new Set(
    headings.map(([, title = '']) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replace(/\s/g, '-'),
    ),
  );
}

describe('documents', () => {
  it('every relative link leads to a file and a heading that exist', () => {
    const documents = readSourceFiles(['.'], /\.md$/);
    expect(documents.map(({ path }) => path)).toContain('README.md');
    expect(brokenLinks(documents, path => existsSync(join(REPOSITORY, path)))).toEqual([]);
  });

  it('a link to a missing file, a missing heading or out of the project is found; code and addresses are left alone', () => {
    const text = [
      '# One title, two words',
      '[ok](#one-title-two-words) [ok](b.md) [ok](https://example.org) [ok](mailto:a@example.org)',
      '[bad](c.md) [bad](#nowhere) [bad](b.md#nowhere) [bad](../../x.md)',
      '`[code](missing.md)`',
      '```',
      '[code](missing.md)',
      '```',
      '[label]: missing.md',
    ].join('\n');
    const documents = [
      { path: 'docs/a.md', text },
      { path: 'docs/b.md', text: '# B' },
    ];
    const broken = brokenLinks(documents, path => documents.some(document => document.path === path));
    expect(broken).toEqual(
      ['c.md', '#nowhere', 'b.md#nowhere', '../../x.md', 'missing.md'].map(x => `docs/a.md: ${x}`),
    );
  });
});
