/**
 * What makes the page work without any set-up, and must never work for anybody else: tokens for a visitor and an agent,
 * and the sample import. The routes exist only while the secret in use is the self-made one, and answer only a peer on
 * this machine that asked for this machine: a foreign page can make a browser here call them (DNS rebinding,
 * cross-site posts), but not under our Host and Origin. To everybody else they do not exist.
 */
import { isIP } from 'node:net';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { ImportResult } from '../commands/import.ts';
import { isLoopback } from '../config/loopback.ts';
import type { Claims } from '../domain/claims.ts';
import type { Clock } from '../domain/clock.ts';
import { ID_PATTERN } from '../domain/stream-name.ts';
import { RequestError } from '../errors.ts';

export interface PageTokens {
  readonly clock: Clock;
  readonly sign: (claims: Claims) => Promise<string>;
  /** A fresh id of a conversation. */
  readonly newRoom: () => string;
  /** Results of importing the sample that ships with the product; undefined: it is not there. */
  readonly importSample: (() => AsyncIterable<ImportResult>) | undefined;
}

export const PAGE_TENANT = 'default';
const PAGE_TOKEN_LIFE_MS = 3_600_000;
/** Routes of the page alone are in no document. */
const OF_THE_PAGE = { hide: true };
const SAMPLE_CONVERSATIONS_TOLD = 20;
/** A proxy says so by one of these; behind one, a peer on this machine is no person on this machine. */
const PROXY_HEADERS = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'] as const;

const roomRequest = z.object({
  room: z
    .string()
    .transform(room => room.replace(/^conversation:/, ''))
    .pipe(z.string().regex(ID_PATTERN, 'must be 1 to 128 of A-Z a-z 0-9 . _ ~ -'))
    .optional(),
});

export interface SampleSummary {
  readonly imported: number;
  readonly duplicates: number;
  readonly rejected: number;
  /** The longest ones. */
  readonly conversations: readonly { readonly id: string; readonly messages: number }[];
}

export function addPageTokenRoutes(
  app: FastifyInstance,
  page: PageTokens,
  gatewayUrl: (hostname: string) => string,
): void {
  app.post('/v1/page/tokens', { onRequest: onlyThisMachine, schema: OF_THE_PAGE }, async (request, reply) => {
    const parsed = roomRequest.safeParse(request.body ?? {});
    if (!parsed.success)
      throw new RequestError('bad-request', parsed.error.issues[0]?.message ?? 'not as expected', {
        path: parsed.error.issues[0]?.path.join('.') || 'body',
      });
    const room = `conversation:${parsed.data.room ?? page.newRoom()}`;
    const expiresAt = page.clock.now() + PAGE_TOKEN_LIFE_MS;
    const sign = async (sub: string, role: 'visitor' | 'agent', rooms: readonly string[]) => ({
      sub,
      token: await page.sign({ sub, tenant: PAGE_TENANT, role, rooms, expiresAt }),
    });
    return reply.header('cache-control', 'no-store').send({
      gatewayUrl: gatewayUrl(hostnameOf(request.headers.host ?? '')),
      tenant: PAGE_TENANT,
      room,
      visitor: await sign('page-visitor', 'visitor', [room]),
      agent: await sign('page-agent', 'agent', []),
      expiresAt: new Date(expiresAt).toISOString(),
    });
  });

  const { importSample } = page;
  if (!importSample) return;
  let underWay: Promise<SampleSummary> | undefined;
  app.post('/v1/import/sample', { onRequest: onlyThisMachine, schema: OF_THE_PAGE }, async (_request, reply) => {
    underWay ??= summarise(importSample()).finally(() => {
      underWay = undefined;
    });
    return reply.header('cache-control', 'no-store').send(await underWay);
  });
}

async function onlyThisMachine(request: FastifyRequest): Promise<void> {
  if (!isFromThisMachine(request)) throw new RequestError('not-found', 'There is no such resource.');
}

/** No proxy in between, and asked for under the name of this machine. */
export function isFromThisMachine(request: FastifyRequest): boolean {
  const { headers, socket } = request;
  if (!isLoopback(socket.remoteAddress ?? '')) return false;
  if (PROXY_HEADERS.some(header => headers[header] !== undefined)) return false;
  const port = socket.localPort ?? 0;
  const hosts = ['localhost', '127.0.0.1', '[::1]'].flatMap(host =>
    port === 80 ? [host, `${host}:80`] : [`${host}:${port}`],
  );
  const host = headers.host?.toLowerCase() ?? '';
  if (!hosts.includes(host)) return false;
  return headers.origin === undefined || headers.origin === `http://${host}`;
}

/** `[::1]` of `[::1]:3000`; an address keeps its brackets. */
export function hostnameOf(host: string): string {
  const name = host.replace(/:\d{1,5}$/, '');
  return isIP(name) === 6 ? `[${name}]` : name;
}

async function summarise(results: AsyncIterable<ImportResult>): Promise<SampleSummary> {
  const counts = { imported: 0, duplicate: 0, rejected: 0 };
  const messages = new Map<string, number>();
  for await (const result of results) {
    counts[result.status] += 1;
    if (result.status !== 'rejected' && result.conversation !== undefined)
      messages.set(result.conversation, (messages.get(result.conversation) ?? 0) + 1);
  }
  const longest = [...messages].sort(([, a], [, b]) => b - a).slice(0, SAMPLE_CONVERSATIONS_TOLD);
  return {
    imported: counts.imported,
    duplicates: counts.duplicate,
    rejected: counts.rejected,
    conversations: longest.map(([id, count]) => ({ id, messages: count })),
  };
}
