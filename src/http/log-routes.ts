/**
 * `POST /v1/scavenges` and `POST /v1/backups`: work on the log's own files while it is served. Each answers with a line
 * of progress about every second, then one of its result or of what ended it; a caller that leaves ends it.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { RequestError } from '../errors.ts';
import type { LogUpkeep } from '../event-store/log-upkeep.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Strangers } from '../gateway/strangers.ts';
import { claimsOf, whenceOf } from './authentication.ts';
import type { Authenticate } from './authentication.ts';
import { SECURED } from './openapi.ts';
import { problemAnswers } from './problems.ts';
import { answerWithProgress, NDJSON } from './progress-lines.ts';

export interface LogRouteOptions {
  readonly authenticate: Authenticate;
  readonly upkeep: LogUpkeep;
  /** Whether the proof, for what it is given, comes from somebody who can read the root secret. */
  readonly isOperator: (proof: string, what: string) => boolean;
  readonly strangers?: Pick<Strangers, 'admit'> | undefined;
  readonly logger: Logger;
  /** Aborts when the server closes. */
  readonly closing: AbortSignal;
}

const scavengeSchema = {
  summary: 'Give the disk back what nobody can read any more; role service',
  description:
    'Drops events that truncation, deletion or age has hidden from all readers, out of all tenants. One runs at a ' +
    'time. A caller that leaves ends it, which is safe: what is done stays done.',
  operationId: 'scavengeLog',
  ...{ tags: ['Operations'], security: SECURED },
  response: {
    200: {
      description:
        'JSON lines: `{progress: {done, total}}` in bytes about every second, at last `{result: {segments, ' +
        'segmentsRewritten, eventsDropped, bytesBefore, bytesAfter}}` or `{problem}`.',
      content: { [NDJSON]: { schema: z.string() } },
    },
    ...problemAnswers(['bad-request', 'unauthorized', 'forbidden', 'rate-limited', 'unavailable', 'internal']),
  },
};

const backupBody = z.object({ target: z.string().min(1).max(4_096) });

export function addLogRoutes(app: FastifyInstance, options: LogRouteOptions): void {
  const { authenticate, upkeep } = options;
  app.post('/v1/scavenges', { onRequest: authenticate, schema: scavengeSchema }, async (request, reply) => {
    const { role } = claimsOf(request);
    if (role !== 'service') throw new RequestError('forbidden', `The role ${role} may not scavenge.`, { path: 'role' });
    return answerWithProgress(reply, { ...options, told }, 'scavenge', given => upkeep.scavenge(given));
  });
  addBackupRoute(app, options);
}

/** For `verbatim backup` alone: it writes wherever on this machine it is told to. */
function addBackupRoute(app: FastifyInstance, options: LogRouteOptions): void {
  const { upkeep, isOperator, strangers } = options;
  // Before anything else is said of the body: the proof is of what stands in it.
  const prove = async (request: FastifyRequest): Promise<void> => {
    const { target } = (request.body ?? {}) as { readonly target?: unknown };
    const [scheme, proof = ''] = (request.headers.authorization ?? '').split(' ');
    if (scheme === 'Operator' && typeof target === 'string' && isOperator(proof, `backup ${target}`)) return;
    // Without the header it was counted on its way in (server.ts).
    if (request.headers.authorization !== undefined) strangers?.admit(whenceOf(request));
    throw new RequestError('unauthorized', 'Only who runs this server may have it write a backup.');
  };
  app.post<{ Body: z.infer<typeof backupBody> }>(
    '/v1/backups',
    { preValidation: prove, schema: { hide: true, body: backupBody } },
    async (request, reply) => {
      const { target } = request.body;
      return answerWithProgress(reply, { ...options, told }, 'backup', given => upkeep.backup(target, given));
    },
  );
}

/** A folder that will not do is the caller's to mend, and what the system says of it too. */
function told(error: unknown): unknown {
  const { name, message, code } = error as NodeJS.ErrnoException;
  if (name === 'BackupTargetError') return new RequestError('bad-request', message, { path: 'target' });
  if (code === 'ENOSPC' || code === 'EDQUOT') return new RequestError('unavailable', message);
  return typeof code === 'string' && /^E[A-Z]+$/.test(code)
    ? new RequestError('bad-request', message, { path: 'target' })
    : error;
}
