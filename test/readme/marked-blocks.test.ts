import { describe, expect, it } from 'vitest';
import { extractMarkedBlocks, requireBlock } from './marked-blocks.ts';

describe('marked blocks', () => {
  it('are found by the marker above them, line by line as they stand', () => {
    const blocks = extractMarkedBlocks(
      [
        '# Title',
        '```sh',
        'unmarked',
        '```',
        '<!-- test: one -->',
        '```python',
        'a = 1',
        '',
        'b = "```"',
        '```',
        'text',
      ].join('\n') + '\n<!-- test: two -->\n\n````js\nf(`x`);\n```\n````\n',
    );
    expect([...blocks]).toEqual([
      ['one', { language: 'python', code: 'a = 1\n\nb = "```"\n' }],
      ['two', { language: 'js', code: 'f(`x`);\n```\n' }],
    ]);
  });

  it('a marker without a block right below is an error, and so is a name used twice', () => {
    expect(() => extractMarkedBlocks('<!-- test: one -->\ntext\n```sh\na\n```\n')).toThrow('"one" has no fenced block');
    expect(() => extractMarkedBlocks('<!-- test: one -->\n')).toThrow('"one" has no fenced block');
    const block = '<!-- test: one -->\n```sh\na\n```\n';
    expect(() => extractMarkedBlocks(block + block)).toThrow('"one" stands there twice');
  });

  it('a block that is missing, or in another language, is an error', () => {
    const blocks = extractMarkedBlocks('<!-- test: one -->\n```sh\na\n```\n');
    expect(requireBlock(blocks, 'one', /^sh$/).code).toBe('a\n');
    expect(() => requireBlock(blocks, 'two', /^sh$/)).toThrow('no <!-- test: two -->; it has: one');
    expect(() => requireBlock(blocks, 'one', /^python$/)).toThrow('"one" is sh');
  });
});
