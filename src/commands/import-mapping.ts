/** From a line of a file to commands: who wrote it, how the conversation begins, what is posted. */
import type { Actor } from '../domain/decider.ts';
import { ID_PATTERN } from '../domain/stream-name.ts';
import type { ErrorCode } from '../errors.ts';
import { importLine } from '../schemas/import-line.ts';
import type { ImportLine } from '../schemas/import-line.ts';
import type { ConversationRequest } from './conversation-commands.ts';
import { nameUuid } from './derived-ids.ts';
import type { TenantKeys } from './derived-ids.ts';
import type { NumberedLine } from './import-lines.ts';

/** Of start commands whose conversation's id leaves no room for the prefix. */
const START_NAMESPACE = Buffer.from('c1f7c0a52b0e4c7d9f6a3d1be8a2f4d6', 'hex');

/** What is wrong with a line, and what it says of itself as far as that can be trusted. */
export interface LineProblem {
  readonly id?: string;
  readonly conversation?: string;
  readonly code: ErrorCode;
  readonly path?: string;
  readonly message: string;
}

export type ParsedLine =
  | { readonly kind: 'blank' }
  | { readonly kind: 'line'; readonly line: ImportLine }
  | { readonly kind: 'bad'; readonly problem: LineProblem };

const bad = (problem: LineProblem): ParsedLine => ({ kind: 'bad', problem });

export function parseLine({ line, problem }: NumberedLine): ParsedLine {
  if (problem === 'too-large') return bad({ code: 'too-large', message: 'The line is longer than an import takes.' });
  if (line === undefined) return bad({ code: 'bad-request', message: 'The line is not UTF-8.' });
  if (line.trim() === '') return { kind: 'blank' };
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    // The parser's own words quote the line, which is personal.
    return bad({ code: 'bad-request', message: 'The line is not JSON.' });
  }
  const parsed = importLine.safeParse(json);
  if (parsed.success) return { kind: 'line', line: parsed.data };
  const issue = parsed.error.issues[0];
  const path = issue?.path.join('.') ?? '';
  return bad({ ...named(json), code: 'bad-request', path, message: issue?.message ?? 'The line is not as expected.' });
}

function named(json: unknown): Pick<LineProblem, 'id' | 'conversation'> {
  if (typeof json !== 'object' || json === null) return {};
  const { id, conversation } = json as Record<string, unknown>;
  return {
    ...(typeof id === 'string' && ID_PATTERN.test(id) ? { id } : {}),
    ...(typeof conversation === 'string' && ID_PATTERN.test(conversation) ? { conversation } : {}),
  };
}

export interface ImportAs {
  readonly tenant: string;
  /** Who imports: the service's id. */
  readonly by: string;
}

/** The actor is the person whom the line names, under an opaque id. */
export function actorOf({ author, role }: ImportLine, tenant: string, keys: TenantKeys): Actor {
  return { id: keys.authorId(tenant, author), role };
}

export function startOf(line: ImportLine, actor: Actor, { tenant, by }: ImportAs): ConversationRequest {
  const named = `start.${line.conversation}`;
  return {
    tenant,
    id: line.conversation,
    command: { type: 'StartConversation', data: { channel: 'import' } },
    commandId: ID_PATTERN.test(named) ? named : `start.${nameUuid(START_NAMESPACE, line.conversation)}`,
    actor,
    imported: { at: line.at, by },
  };
}

export function postOf(line: ImportLine, actor: Actor, { tenant, by }: ImportAs): ConversationRequest {
  const { id, author, text, replyTo } = line;
  const source = { id, author, ...(replyTo === null || replyTo === undefined ? {} : { replyTo }) };
  return {
    tenant,
    id: line.conversation,
    command: { type: 'PostMessage', data: { text, source } },
    commandId: id,
    actor,
    imported: { at: line.at, by },
  };
}
