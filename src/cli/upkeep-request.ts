/** Work on a log that the running server does: its lines of progress, and its result. */
import { z } from 'zod';
import { splitLines } from '../commands/import-lines.ts';
import type { UpkeepProgress } from '../event-store/log-upkeep.ts';
import type { WorkProgress } from '../projections/projector.ts';
import { CliFailure } from './failure.ts';
import { refusalOf, whyOf } from './refusals.ts';

const LINE_BYTES_MAX = 65_536;

const phase = z.enum(['building', 'comparing', 'compacting']);
const progressSchema = z.union([
  z.object({ done: z.number(), total: z.number(), phase }),
  z.object({ done: z.number(), total: z.number() }),
]);

const lineSchema = z.union([
  z.object({ progress: progressSchema }),
  z.object({ result: z.record(z.string(), z.unknown()) }),
  z.object({ problem: z.object({ status: z.number() }).loose() }),
]);

export interface UpkeepRequest {
  readonly server: string;
  readonly path: string;
  readonly authorization: string;
  readonly body?: Readonly<Record<string, string>>;
  /** `the backup` */
  readonly what: string;
  readonly onProgress: (progress: UpkeepProgress | WorkProgress) => void;
}

/** @throws CliFailure */
export async function requestUpkeep<Result>(request: UpkeepRequest, resultSchema: z.ZodType<Result>): Promise<Result> {
  const { server, path, authorization, body, what, onProgress } = request;
  const response = await fetch(new URL(path, server), {
    method: 'POST',
    headers: { authorization, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  }).catch((error: unknown) => {
    throw new CliFailure('unavailable', `${server} does not answer (${whyOf(error)}).`);
  });
  if (!response.ok || response.body === null)
    throw refusalOf(server, what, response.status, await response.json().catch(() => undefined));
  try {
    for await (const { line } of splitLines(response.body as AsyncIterable<Uint8Array>, LINE_BYTES_MAX)) {
      const said = lineSchema.parse(JSON.parse(line ?? ''));
      if ('progress' in said) onProgress(said.progress);
      else if ('problem' in said) throw refusalOf(server, what, said.problem.status, said.problem);
      else return resultSchema.parse(said.result);
    }
  } catch (error) {
    if (error instanceof CliFailure) throw error;
    throw new CliFailure('connection-lost', `${server} broke off (${whyOf(error)}). Run the same command again.`);
  }
  throw new CliFailure(
    'connection-lost',
    `${server} ended its answer before ${what} was done. Run the same command again.`,
  );
}
