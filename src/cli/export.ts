/**
 * `verbatim export`: a tenant's messages as NDJSON on stdout and nothing else there, from the server that has the data
 * folder, or from the folder itself where nobody has it.
 */
import { once } from 'node:events';
import { z } from 'zod';
import type { ExportScope } from '../audit/export.ts';
import type { LoadedConfig } from '../config/config.ts';
import type { Config } from '../config/settings.ts';
import { ID_PATTERN } from '../domain/stream-name.ts';
import { findServer, openFolder, serviceToken } from './data-folder-access.ts';
import { CliFailure, EXIT_OK, EXIT_USAGE } from './failure.ts';
import { refusalOf, whyOf } from './refusals.ts';
import { parseTenant } from './token.ts';

/** Looked at when the export begins, and not again. */
const TOKEN_LIFE_MS = 60_000;
const EXPORTER = 'verbatim-export';
const NEWLINE = 0x0a;

export interface ExportCommand {
  readonly tenant: string;
  readonly conversation?: string | undefined;
  /** ISO 8601 with a zone, or a day alone, which begins at 00:00 UTC. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** Of a running server; absent: the one that has the data folder, if any. */
  readonly url?: string | undefined;
}

export async function exportConversations(
  { config }: Pick<LoadedConfig, 'config'>,
  command: ExportCommand,
  out: NodeJS.WritableStream = process.stdout,
): Promise<number> {
  const scope = parseScope(command);
  const server = await findServer(config, command.url);
  const chunks = server === undefined ? exportFolder(config, scope) : exportOverHttp(config, server, scope);
  let messages = 0;
  for await (const chunk of chunks) {
    for (const byte of chunk) if (byte === NEWLINE) messages += 1;
    if (!out.write(chunk)) await once(out, 'drain');
  }
  // Nothing that a slow reader has still to take may be lost by ending.
  await new Promise<void>(resolve => out.write('', () => resolve()));
  process.stderr.write(`${messages} messages of tenant ${scope.tenant}.\n`);
  return EXIT_OK;
}

/** @throws CliFailure */
function parseScope({ tenant, conversation, from, to }: ExportCommand): ExportScope {
  if (conversation !== undefined && !ID_PATTERN.test(conversation))
    throw new CliFailure('usage', '--conversation must be 1 to 128 of A-Z a-z 0-9 . _ ~ -.', EXIT_USAGE);
  const [first, end] = [parseTime('from', from), parseTime('to', to)];
  if (first !== undefined && end !== undefined && end < first)
    throw new CliFailure('usage', '--to is before --from: expected the end of the period.', EXIT_USAGE);
  return { tenant: parseTenant(tenant), conversation, from: first, to: end };
}

const timeSchema = z.union([z.iso.datetime({ offset: true }), z.iso.date()]);

function parseTime(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const parsed = timeSchema.safeParse(text);
  if (parsed.success) return Date.parse(parsed.data);
  throw new CliFailure(
    'usage',
    `--${flag} is ${JSON.stringify(text.slice(0, 100))}: expected a time such as 2026-03-01T12:00:00Z, or a day, 2026-03-01.`,
    EXIT_USAGE,
  );
}

async function* exportFolder(config: Config, scope: ExportScope): AsyncGenerator<Uint8Array> {
  const engine = await openFolder(config, 'export');
  try {
    for await (const page of engine.exportConversations(scope))
      yield Buffer.from(page.map(line => `${JSON.stringify(line)}\n`).join(''));
  } finally {
    await engine.close();
  }
}

/** @throws CliFailure where the server refuses, or the answer is cut off: then what was written is not whole */
async function* exportOverHttp(config: Config, server: string, scope: ExportScope): AsyncGenerator<Uint8Array> {
  const target = new URL('/v1/export', server);
  const { conversation, from, to } = scope;
  if (conversation !== undefined) target.searchParams.set('conversation', conversation);
  if (from !== undefined) target.searchParams.set('from', new Date(from).toISOString());
  if (to !== undefined) target.searchParams.set('to', new Date(to).toISOString());
  const token = await serviceToken(config, { tenant: scope.tenant, sub: EXPORTER, lifeMs: TOKEN_LIFE_MS });
  const response = await fetch(target, { headers: { authorization: `Bearer ${token}` } }).catch((error: unknown) => {
    throw new CliFailure('unavailable', `${server} does not answer (${whyOf(error)}).`);
  });
  if (!response.ok || response.body === null)
    throw refusalOf(server, 'the export', response.status, await response.json().catch(() => undefined));
  try {
    yield* response.body as AsyncIterable<Uint8Array>;
  } catch (error) {
    const message = `${server} broke off (${whyOf(error)}): what was written is not the whole export. Run it again.`;
    throw new CliFailure('connection-lost', message);
  }
}
