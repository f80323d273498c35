import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitLines } from '../../src/commands/import-lines.ts';
import type { NumberedLine } from '../../src/commands/import-lines.ts';

/** The chunks in one buffer that is used again, as some sources do. */
async function* chunked(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  const shared = new Uint8Array(64);
  for (let from = 0, i = 0; from < bytes.length; i += 1) {
    const chunk = bytes.subarray(from, from + (sizes[i % sizes.length] ?? 1));
    shared.fill(0x2a);
    shared.set(chunk);
    yield await Promise.resolve(shared.subarray(0, chunk.length));
    from += chunk.length;
  }
}

async function split(bytes: string | Uint8Array, lineBytesMax = 1_000, sizes = [7]): Promise<NumberedLine[]> {
  const lines: NumberedLine[] = [];
  for await (const line of splitLines(chunked(Buffer.from(bytes), sizes), lineBytesMax)) lines.push(line);
  return lines;
}
const texts = (lines: readonly NumberedLine[]) => lines.map(({ line, problem }) => line ?? `(${problem ?? ''})`);

describe('Lines of bytes', () => {
  it('are numbered from 1, and end with LF, CRLF or the last byte', async () => {
    expect(await split('a\nb\r\n\nc')).toEqual([
      { number: 1, line: 'a' },
      { number: 2, line: 'b' },
      { number: 3, line: '' },
      { number: 4, line: 'c' },
    ]);
    expect(await split('')).toEqual([]);
    expect(texts(await split('a\r\n'))).toEqual(['a']);
    expect(texts(await split('a\rb\u2028c\u0085d\n'))).toEqual(['a\rb\u2028c\u0085d']);
  });

  it('may begin with a byte order mark', async () => {
    expect(texts(await split('\ufeff{}\n{}'))).toEqual(['{}', '{}']);
  });

  it('above the bound are skipped and told, their ends not counted', async () => {
    const lines = ['1234567890', '12345678901', 'x'.repeat(500), '1234567890', 'x'.repeat(11)];
    const expected = ['1234567890', '(too-large)', '(too-large)', '1234567890', '(too-large)'];
    for (const end of ['\n', '\r\n']) expect(texts(await split(lines.join(end), 10))).toEqual(expected);
    expect(texts(await split('é'.repeat(6), 10))).toEqual(['(too-large)']);
  });

  it('that are not UTF-8 are told, and the rest goes on', async () => {
    const bytes = Buffer.concat([Buffer.from('a\n'), Buffer.from([0xc3, 0x28, 0x0a]), Buffer.from('b\n')]);
    expect(texts(await split(bytes))).toEqual(['a', '(not-utf-8)', 'b']);
  });

  it('are the same however the bytes come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.string({ unit: 'grapheme', maxLength: 20 }).map(text => text.replace(/[\r\n\ufeff]/gu, '')),
          { minLength: 1 },
        ),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
        async (lines, sizes) => {
          expect(texts(await split(`${lines.join('\n')}\n`, 1_000, sizes))).toEqual(lines);
        },
      ),
      { numRuns: 100 },
    );
  });
});
