/** Work that takes long, answered as JSON lines: one of its progress about every second, then one of what became of it. */
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import { UnavailableError } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';
import { problemOf } from './problems.ts';

export const NDJSON = 'application/x-ndjson';
const PROGRESS_EVERY_MS = 1_000;

export interface ProgressAnswerOptions {
  readonly logger: Logger;
  /** Aborts when the server closes. */
  readonly closing: AbortSignal;
  /** What the caller is told of an error. Default: the error itself. */
  readonly told?: (error: unknown) => unknown;
}

interface WorkOptions<Progress> {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

/** `{progress}` lines, at last `{result}` or `{problem}`. A caller that leaves ends the work. @throws UnavailableError */
export function answerWithProgress<Progress extends object>(
  reply: FastifyReply,
  { logger, closing, told = error => error }: ProgressAnswerOptions,
  what: string,
  work: (options: WorkOptions<Progress>) => Promise<object>,
): FastifyReply {
  if (closing.aborted) throw new UnavailableError('The server is stopping.');
  const left = new AbortController();
  const signal = AbortSignal.any([closing, left.signal]);
  let progress: object = { done: 0, total: 0 };
  const working = work({ signal, onProgress: now => (progress = now) }).then(
    result => {
      logger.info(`${what} ended`, { ...result });
      return { result };
    },
    (error: unknown) => {
      if (!left.signal.aborted) logger.warn(`${what} failed`, { error });
      return { problem: problemOf(closing.aborted ? new UnavailableError('The server is stopping.') : told(error)) };
    },
  );
  const lines = async function* (): AsyncGenerator<string> {
    for (;;) {
      const timer = new AbortController();
      const pause = delay(PROGRESS_EVERY_MS, undefined, { signal: timer.signal }).catch(() => undefined);
      const ended = await Promise.race([working, pause]);
      timer.abort();
      yield `${JSON.stringify(ended ?? { progress })}\n`;
      if (ended) return;
    }
  };
  const body = Readable.from(lines(), { highWaterMark: 1 });
  body.once('close', () => {
    left.abort(new Error('The caller has left.'));
  });
  return reply.type(NDJSON).header('cache-control', 'no-store').send(body);
}
