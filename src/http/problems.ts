/** Every error as RFC 9457 problem details, from the one table of codes. What is ours to mend tells nothing of its inside. */
import type { FastifyError, FastifyReply } from 'fastify';
import { z } from 'zod';
import { ERROR_CODES } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { faultOf } from '../faults.ts';

export const PROBLEM_TYPE = 'application/problem+json';

const problemSchema = z
  .object({
    type: z.string().describe('`urn:verbatim:problem:<code>`'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('What was wrong with this request, in words.'),
    code: z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]),
    reason: z.string().optional().describe('The rule that rejected, such as `not-the-author`.'),
    path: z.string().optional().describe('The field, header or claim at fault.'),
    retryable: z.boolean().describe('Whether the same request may succeed later.'),
    retryAfterMs: z.int().min(0).optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' });

export type Problem = z.infer<typeof problemSchema>;

/** What fastify says of a request it could not read, in our codes. Everything else of 4xx is `bad-request`. */
const FASTIFY_CODES: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'too-large',
};

export function problemOf(error: unknown): Problem {
  const { code, statusCode, message, validation, validationContext } = error as Partial<FastifyError>;
  if (validation?.[0]) {
    const { instancePath, keyword, params } = validation[0];
    const [unknown] = keyword === 'unrecognized_keys' ? (params as { readonly keys: readonly string[] }).keys : [];
    const path = faultyPath(unknown === undefined ? instancePath : `${instancePath}/${unknown}`, validationContext);
    return problem('bad-request', `${path}: ${validation[0].message ?? 'not as expected'}`, { path });
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return problem('unsupported-media-type', 'The body must be application/json.', { path: 'content-type' });
  if (code?.startsWith('FST_') && statusCode !== undefined && statusCode < 500)
    return problem(FASTIFY_CODES[code] ?? 'bad-request', message ?? '');
  const fault = faultOf(error);
  return problem(fault.code, fault.message, fault);
}

/** `data.text` of a body is `text`; of what has no field to name, the part of the request. */
function faultyPath(instancePath: string, context = 'body'): string {
  return instancePath.split('/').filter(Boolean).join('.') || context;
}

function problem(
  code: ErrorCode,
  detail: string,
  more: {
    readonly path?: string | undefined;
    readonly reason?: string | undefined;
    readonly retryable?: boolean | undefined;
    readonly retryAfterMs?: number | undefined;
  } = {},
): Problem {
  const { title, httpStatus, retryable } = ERROR_CODES[code];
  return {
    type: `urn:verbatim:problem:${code}`,
    title,
    status: httpStatus,
    detail,
    code,
    reason: more.reason,
    path: more.path,
    retryable: more.retryable ?? retryable,
    retryAfterMs: more.retryAfterMs,
  };
}

export function sendProblem(reply: FastifyReply, told: Problem): FastifyReply {
  if (told.status === 401) void reply.header('www-authenticate', 'Bearer');
  if (told.retryAfterMs !== undefined) void reply.header('retry-after', Math.ceil(told.retryAfterMs / 1_000));
  return reply.code(told.status).header('cache-control', 'no-store').type(PROBLEM_TYPE).send(JSON.stringify(told));
}

interface DocumentedAnswer {
  readonly description: string;
  readonly content: Record<string, { readonly schema: z.ZodType }>;
}

/** For a route's `response`: the problems it may answer, by status. */
export function problemAnswers(codes: readonly ErrorCode[]): Record<number, DocumentedAnswer> {
  const answers: Record<number, DocumentedAnswer> = {};
  for (const status of new Set(codes.map(code => ERROR_CODES[code].httpStatus))) {
    const told = codes.filter(code => ERROR_CODES[code].httpStatus === status);
    const description = told.map(code => `\`${code}\`: ${ERROR_CODES[code].title}`).join('; ');
    answers[status] = { description, content: { [PROBLEM_TYPE]: { schema: problemSchema } } };
  }
  return answers;
}
