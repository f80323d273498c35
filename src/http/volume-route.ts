/** `GET /v1/volume`: how much was said, and how many conversations began and ended. */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { RequestError } from '../errors.ts';
import { isTimeZone, QUARTER_MS, startOfLocalDay } from '../projections/conversations/local-buckets.ts';
import { conversationsProjection } from '../projections/conversations/projection.ts';
import { VOLUME_DAYS_MAX, volumeOf } from '../projections/conversations/volume-query.ts';
import type { VolumeBucket, VolumeRequest } from '../projections/conversations/volume-query.ts';
import { claimsOf } from './authentication.ts';
import { SECURED } from './openapi.ts';
import { problemAnswers } from './problems.ts';
import {
  hasCommonYear,
  isKnown,
  minPosition,
  mustNotBeVisitor,
  notModified,
  QUERY_PROBLEMS,
  queryHeaders,
} from './query-answers.ts';
import { runQuery, sendNotModified, shownLog, shownPosition, stale, wirePosition } from './query-answers.ts';
import type { QueryRouteOptions } from './query-answers.ts';

const DAY_MS = 86_400_000;
/** Longer than the name of any zone. */
const ZONE_UNITS_MAX = 64;
const VALUE_UNITS_MAX = 200;

const count = z.int().min(0);
const countersSchema = z
  .object({
    messages: count.describe('All that were posted.'),
    visitorMessages: count,
    staffMessages: count.describe('Of agents and supervisors.'),
    ...{ botMessages: count, serviceMessages: count },
    started: count.describe('Conversations that began.'),
    reopened: count,
    ...{ resolved: count, closed: count },
  })
  .meta({ id: 'VolumeCounters', description: 'What happened in the time.' });

const localTime = z.string().describe('ISO 8601, with the offset that the time zone has then.');
const volumeSchema = z
  .object({
    ...{ position: shownPosition, log: shownLog },
    ...{ dimension: z.string(), value: z.string().optional(), by: z.string() },
    timeZone: z.string().describe('As it was asked for.'),
    buckets: z
      .array(z.object({ from: localTime, to: localTime.describe('Exclusive.'), counters: countersSchema }))
      .describe('Without a gap; the first and the last may be parts of an hour, day or week.'),
    totals: countersSchema.describe('Of all of them.'),
    stale,
  })
  .meta({ id: 'Volume', description: 'How much happened, bucket by bucket.' });

const timeOrDay = z.union([z.iso.date(), z.iso.datetime({ offset: true })], 'must be a date or a time of ISO 8601');

const querystring = z.strictObject({
  from: timeOrDay.describe('A date, as it begins in the time zone, or a time on a quarter hour.'),
  to: timeOrDay.describe(`Exclusive, and at most ${VOLUME_DAYS_MAX} days later.`),
  by: z.enum(['hour', 'day', 'week']).default('day').describe('Weeks begin on Monday, as in ISO 8601.'),
  timeZone: z
    .string()
    .max(ZONE_UNITS_MAX)
    .refine(isTimeZone, 'must be a time zone of the IANA, such as Europe/Berlin')
    .default('UTC')
    .describe('In which hours, days and weeks begin: a name of the IANA.'),
  dimension: z
    .enum(['all', 'channel', 'queue', 'tag', 'agent'])
    .default('all')
    .describe(
      'Of what: a conversation counts under the tags and the queue that it had when it happened, a message of staff ' +
        'under its author as `agent`.',
    ),
  value: z.string().min(1).max(VALUE_UNITS_MAX).optional().describe('Which channel, queue, tag or agent.'),
  minPosition,
});
type Query = z.infer<typeof querystring>;

export function addVolumeRoute(app: FastifyInstance, options: QueryRouteOptions): void {
  const { authenticate, readModels } = options;
  const { log } = readModels;
  app.withTypeProvider<ZodTypeProvider>().get(
    '/v1/volume',
    {
      onRequest: authenticate,
      schema: {
        summary: 'Count messages and conversations by hour, day or week',
        description:
          'In any time zone, those of quarter hours among them. A day on which the clock is set has 23 or 25 hours, and ' +
          'an hour that comes twice is two. Not for visitors.',
        ...{ operationId: 'getVolume', tags: ['Queries'], security: SECURED },
        ...{ querystring, headers: queryHeaders },
        response: { ...{ 200: volumeSchema, ...notModified }, ...problemAnswers(QUERY_PROBLEMS) },
      },
    },
    async (request, reply) => {
      const claims = claimsOf(request);
      mustNotBeVisitor(claims);
      const { query } = request;
      const asked = requestOf(query, claims.tenant);
      const volume = await runQuery(options, reply, conversationsProjection.schema.name, query, generation =>
        volumeOf(generation, asked),
      );
      const { dimension, by, timeZone, value } = query;
      const content = {
        ...{ dimension, by, timeZone },
        ...(value === undefined ? {} : { value }),
        ...{ buckets: volume.buckets.map(shown), totals: volume.totals },
        ...(volume.stale ? { stale: true as const } : {}),
      };
      const { position } = volume;
      if (isKnown(request, reply, { log, position, content })) return sendNotModified(reply);
      return reply.send({ position: wirePosition(position), log, ...content });
    },
  );
}

/** @throws RequestError `bad-request` */
function requestOf({ from, to, by, timeZone, dimension, value, minPosition }: Query, tenant: string): VolumeRequest {
  if (dimension === 'all' && value !== undefined) throw bad('value', 'there is none of dimension all');
  if (dimension !== 'all' && value === undefined) throw bad('value', `is needed: which ${dimension}`);
  const fromMs = instantOf('from', from, timeZone);
  const toMs = instantOf('to', to, timeZone);
  if (toMs <= fromMs) throw bad('to', 'must be after from');
  // Days on which the clock is set back are longer than others.
  if (toMs - fromMs > VOLUME_DAYS_MAX * DAY_MS + DAY_MS / 2)
    throw bad('to', `must be at most ${VOLUME_DAYS_MAX} days after from`);
  // A day later, so that the year 1 is whole in every time zone, and no local time is past 9999.
  if (!hasCommonYear(fromMs + DAY_MS)) throw bad('from', 'must be of the years 0001 to 9999');
  if (!hasCommonYear(toMs + DAY_MS)) throw bad('to', 'must be of the years 0001 to 9999, and before the last day');
  const mayLag = minPosition === undefined;
  return { tenant, dimension, value: value ?? '', fromMs, toMs, by, timeZone, mayLag };
}

/** @throws RequestError `bad-request` */
function instantOf(path: string, text: string, timeZone: string): number {
  if (!text.includes('T')) return startOfLocalDay(text, timeZone);
  const atMs = Date.parse(text);
  if (atMs % QUARTER_MS !== 0) throw bad(path, 'must be on a quarter hour');
  return atMs;
}

function bad(path: string, why: string): RequestError {
  return new RequestError('bad-request', `${path}: ${why}.`, { path });
}

function shown({ fromMs, toMs, offsetMinutes, endOffsetMinutes, counters }: VolumeBucket) {
  return { from: localIso(fromMs, offsetMinutes), to: localIso(toMs, endOffsetMinutes), counters };
}

/** `2026-03-01T00:00:00+05:45` */
function localIso(atMs: number, offsetMinutes: number): string {
  const local = new Date(atMs + offsetMinutes * 60_000).toISOString().slice(0, 'YYYY-MM-DDTHH:MM:SS'.length);
  const [hours, minutes] = [Math.floor(Math.abs(offsetMinutes) / 60), Math.abs(offsetMinutes) % 60];
  const two = (number: number): string => String(number).padStart(2, '0');
  return `${local}${offsetMinutes < 0 ? '-' : '+'}${two(hours)}:${two(minutes)}`;
}
