/** Cuts a stream of bytes into lines of UTF-8, in memory bounded by the longest line taken. */

export interface NumberedLine {
  /** From 1, as an editor counts. */
  readonly number: number;
  /** Without its line end; undefined where it cannot be taken. */
  readonly line: string | undefined;
  /** Why it cannot be taken. */
  readonly problem?: 'too-large' | 'not-utf-8';
}

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * Lines end with LF or CRLF; the last one may end without. A line above `lineBytesMax`, its end not counted, is skipped
 * as it comes and told as `too-large`. A byte order mark before a line is not part of it.
 */
export async function* splitLines(
  source: AsyncIterable<Uint8Array>,
  lineBytesMax: number,
): AsyncGenerator<NumberedLine> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let number = 0;
  let parts: Uint8Array[] = [];
  let bytes = 0;

  const keep = (part: Uint8Array) => {
    bytes += part.byteLength;
    // One more than the bound may be the CR of a line end.
    if (bytes <= lineBytesMax + 1) parts.push(part);
    else parts = [];
  };
  const take = (): NumberedLine => {
    number += 1;
    const [first, ...more] = parts;
    let whole = first !== undefined && more.length === 0 ? first : Buffer.concat(parts);
    if (whole.at(-1) === CARRIAGE_RETURN) {
      whole = whole.subarray(0, -1);
      bytes -= 1;
    }
    const tooLarge = bytes > lineBytesMax;
    parts = [];
    bytes = 0;
    if (tooLarge) return { number, line: undefined, problem: 'too-large' };
    try {
      return { number, line: decoder.decode(whole) };
    } catch {
      return { number, line: undefined, problem: 'not-utf-8' };
    }
  };

  for await (const chunk of source) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      keep(chunk.subarray(from, end));
      from = end + 1;
      yield take();
    }
    // A copy: the source may use its buffer again.
    if (from < chunk.byteLength) keep(Buffer.from(chunk.subarray(from)));
  }
  if (bytes > 0) yield take();
}
