/** What is imported: a file or stdin, plain or gzip (told by its first bytes, not by its name), read as it is asked for. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { CliFailure } from './failure.ts';
import { SHAPE_BYTES, shapeOf } from './import-shape.ts';

export interface ImportSource {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Of the file as it is stored; undefined for stdin. */
  readonly totalBytes: number | undefined;
  /** Of the file as it is stored, so far. */
  readonly readBytes: () => number;
  /** What the file looks like that is no NDJSON, by its first bytes: `a JSON array`. */
  readonly shape: () => string | undefined;
}

/** `-` is stdin. @throws CliFailure where the file cannot be read; reading throws one for a broken gzip file. */
export async function openImportSource(file: string): Promise<ImportSource> {
  const name = file === '-' ? 'stdin' : file;
  let totalBytes: number | undefined;
  if (file !== '-') {
    const found = await stat(file).catch((error: unknown) => {
      throw new CliFailure(
        'bad-file',
        `${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'}).`,
      );
    });
    if (found.isDirectory())
      throw new CliFailure('bad-file', `${file} is a folder; name a file of NDJSON, or - for stdin.`);
    totalBytes = found.size;
  }
  let read = 0;
  const raw = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of (file === '-' ? process.stdin : createReadStream(file)) as AsyncIterable<Buffer>) {
      read += chunk.length;
      yield chunk;
    }
  };
  let head = Buffer.alloc(0);
  const seen = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of decompressed(raw(), name)) {
      if (head.length < SHAPE_BYTES) head = Buffer.concat([head, chunk.subarray(0, SHAPE_BYTES - head.length)]);
      yield chunk;
    }
  };
  return { bytes: seen(), totalBytes, readBytes: () => read, shape: () => shapeOf(head, name) };
}

async function* decompressed(raw: AsyncGenerator<Buffer>, name: string): AsyncGenerator<Uint8Array> {
  let head = Buffer.alloc(0);
  while (head.length < 2) {
    const next = await raw.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  const whole = async function* (): AsyncGenerator<Buffer> {
    if (head.length > 0) yield head;
    yield* raw;
  };
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  if (!isGzip) {
    yield* whole();
    return;
  }
  const out = new PassThrough();
  const ended = pipeline(Readable.from(whole()), createGunzip(), out);
  // Its failure reaches the reader through `out`; a reader that leaves early makes it fail, and does not care.
  ended.catch(() => undefined);
  try {
    yield* out as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw new CliFailure('bad-file', `${name} is a broken gzip file: ${(error as Error).message}.`);
  } finally {
    out.destroy();
  }
}
