/**
 * `verbatim erase`: erases the personal data of one subject, in the server that has the data folder, or in the folder
 * itself where nobody has it. Running it again is safe.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { LoadedConfig } from '../config/config.ts';
import { ID_PATTERN } from '../domain/stream-name.ts';
import { tenantCommandSchemas } from '../schemas/tenant-commands.ts';
import { findServer, openFolder, serviceToken } from './data-folder-access.ts';
import { CliFailure, EXIT_OK, EXIT_USAGE } from './failure.ts';
import { refusalOf, whyOf } from './refusals.ts';
import { parseTenant } from './token.ts';

const TOKEN_LIFE_MS = 300_000;
/** A keyring of millions of keys takes seconds to rewrite. */
const ANSWER_TIMEOUT_MS = 120_000;

export interface EraseCommand {
  readonly tenant: string;
  readonly subject: string;
  /** Who asked for it: an opaque id, kept with the erasure. */
  readonly by: string;
  readonly reason: string;
  /** Of a running server; absent: the one that has the data folder, if any. */
  readonly url?: string | undefined;
}

export async function eraseSubject({ config }: Pick<LoadedConfig, 'config'>, command: EraseCommand): Promise<number> {
  const asked = parseCommand(command);
  const server = await findServer(config, command.url);
  const { duplicate, held, position } =
    server === undefined ? await eraseInFolder(config, asked) : await askServer(config, server, asked);
  const where = position === null ? '' : `Position: ${position}\n`;
  process.stdout.write(`${asked.subject} of tenant ${asked.tenant} ${outcomeOf(duplicate, held)}\n${where}`);
  return EXIT_OK;
}

function outcomeOf(duplicate: boolean, held: boolean): string {
  if (duplicate) return 'was erased before; nothing of it is left.';
  return held ? 'is erased.' : 'is erased, but nothing personal had been kept for it: is it the right id?';
}

interface Erased {
  readonly duplicate: boolean;
  readonly held: boolean;
  /** Queries at least as new show nothing of it any more: in decimals, null where it is not known. */
  readonly position: string | null;
}

type Asked = Omit<EraseCommand, 'url'>;

/** @throws CliFailure */
function parseCommand({ tenant, by, ...data }: EraseCommand): Asked {
  const parsed = tenantCommandSchemas.EraseSubject.safeParse(data);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw usage(issue?.path.join('.') ?? 'subject', issue?.message ?? 'is not as expected');
  }
  if (!ID_PATTERN.test(by)) throw usage('by', 'must be 1 to 128 of A-Z a-z 0-9 . _ ~ -');
  return { tenant: parseTenant(tenant), by, ...parsed.data };
}

function usage(flag: string, message: string): CliFailure {
  return new CliFailure('usage', `--${flag} ${message}.`, EXIT_USAGE);
}

async function eraseInFolder(config: LoadedConfig['config'], asked: Asked): Promise<Erased> {
  const engine = await openFolder(config, 'erase');
  try {
    const by = { id: asked.by, role: 'service' } as const;
    const { first, position, duplicate, held } = await engine.eraseSubject({ ...asked, by, commandId: randomUUID() });
    return { duplicate: duplicate || first === null, held, position: position?.toString() ?? null };
  } finally {
    await engine.close();
  }
}

const answerSchema = z.object({ duplicate: z.boolean(), held: z.boolean(), position: z.string().nullable() });

async function askServer(
  config: LoadedConfig['config'],
  server: string,
  { tenant, subject, by, reason }: Asked,
): Promise<Erased> {
  const token = await serviceToken(config, { tenant, sub: by, lifeMs: TOKEN_LIFE_MS });
  const response = await fetch(new URL(`/v1/subjects/${encodeURIComponent(subject)}/erasure`, server), {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'idempotency-key': randomUUID(),
    },
    body: JSON.stringify({ reason }),
    signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
  }).catch((error: unknown) => {
    throw new CliFailure('unavailable', `${server} does not answer (${whyOf(error)}). Run the same command again.`);
  });
  const body: unknown = await response.json().catch(() => undefined);
  const answer = answerSchema.safeParse(body);
  if (response.ok && answer.success) return answer.data;
  throw refusalOf(server, 'the erasure', response.status, body);
}
