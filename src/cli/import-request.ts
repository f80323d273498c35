/** An import through a running server: the file goes out and results come in on one request, each pacing the other. */
import { request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { splitLines } from '../commands/import-lines.ts';
import type { ImportResult } from '../commands/import.ts';
import { CliFailure } from './failure.ts';
import { refusalOf } from './refusals.ts';

/** The server must answer something within it while results are awaited. */
const ANSWER_TIMEOUT_MS = 60_000;
const RESULT_BYTES_MAX = 65_536;
const PROBLEM_BYTES_MAX = 65_536;

const resultSchema = z.object({
  line: z.number(),
  status: z.enum(['imported', 'duplicate', 'rejected']),
  id: z.string().optional(),
  conversation: z.string().optional(),
  code: z.string().optional(),
  reason: z.string().optional(),
  path: z.string().optional(),
  message: z.string().optional(),
});

export interface ImportRequest {
  /** `http://host:port`. */
  readonly url: string;
  /** Of role service; names the tenant. */
  readonly token: string;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** @throws CliFailure where the server refuses, or stops answering before all is done */
export async function* importOverHttp({ url, token, bytes }: ImportRequest): AsyncGenerator<ImportResult> {
  const target = new URL('/v1/import', url);
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' };
  const open = target.protocol === 'https:' ? httpsRequest : httpRequest;
  const request = open(target, { method: 'POST', headers, timeout: ANSWER_TIMEOUT_MS });
  request.on('timeout', () => request.destroy(new Error(`no answer for ${ANSWER_TIMEOUT_MS / 1_000} s`)));
  const answered = firstAnswer(request);
  const source: { error?: Error } = {};
  // Its failure is either the source's, kept here, or the connection's, which reading the answer tells as well.
  const sending = pipeline(Readable.from(watched(bytes, source)), request).catch(() => undefined);
  let results = 0;
  try {
    const response = await answered;
    if (response.statusCode !== 200) throw await refusal(url, response);
    for await (const { line } of splitLines(response as AsyncIterable<Uint8Array>, RESULT_BYTES_MAX)) {
      yield resultSchema.parse(JSON.parse(line ?? '')) as ImportResult;
      results += 1;
    }
    await sending;
  } catch (error) {
    if (source.error) throw source.error;
    if (error instanceof CliFailure) throw error;
    throw lost(url, results, error);
  } finally {
    request.destroy();
  }
}

/**
 * Errors of the file must not pass for errors of the server, nor the other way round: a broken connection is thrown into
 * this generator where it yields, so only what reading the file throws is kept.
 */
async function* watched(bytes: AsyncIterable<Uint8Array>, source: { error?: Error }): AsyncGenerator<Uint8Array> {
  const reading = bytes[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await reading.next().catch((error: unknown) => {
        source.error = error as Error;
        throw error;
      });
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await reading.return?.();
  }
}

function firstAnswer(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    // Kept for good: a request that fails after its answer began says so by the answer's stream as well.
    request.on('error', reject);
  });
}

async function refusal(url: string, response: IncomingMessage): Promise<CliFailure> {
  let body = '';
  for await (const chunk of response as AsyncIterable<Buffer>) {
    body += chunk.toString();
    if (body.length > PROBLEM_BYTES_MAX) break;
  }
  return refusalOf(url, 'the import', response.statusCode ?? 0, parsed(body));
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function lost(url: string, results: number, error: unknown): CliFailure {
  const { code, message } = error as NodeJS.ErrnoException;
  if (results === 0 && (code === 'ECONNREFUSED' || code === 'ENOTFOUND'))
    return new CliFailure('unavailable', `Nothing answers at ${url} (${code}).`);
  return new CliFailure(
    'connection-lost',
    `${url} stopped answering after ${results} lines (${code ?? message}). What it answered is kept. Run the same command again: it goes on from there, and nothing is imported twice.`,
  );
}
