/** What a running server that a command asked says when it will not, or cannot, as one failure for the person. */
import { z } from 'zod';
import { CliFailure } from './failure.ts';

const problemSchema = z.object({ code: z.string(), detail: z.string() });

/** @param what was refused: `the import` @param body as parsed from JSON; undefined where it was none */
export function refusalOf(server: string, what: string, status: number, body: unknown): CliFailure {
  const problem = problemSchema.safeParse(body);
  if (!problem.success)
    return new CliFailure('bad-answer', `${server} answered ${status}, and not as a Verbatim server does.`);
  const { code, detail } = problem.data;
  const hint = code === 'unauthorized' ? " Set JWT_SECRET to that server's, or name its data folder." : '';
  return new CliFailure(code, `${server} refused ${what}: ${detail}${hint}`);
}

/** What fetch says is in its cause. */
export function whyOf(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message : message;
}
