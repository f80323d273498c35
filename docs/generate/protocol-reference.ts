/** The reference part of docs/protocol.md: every frame, command, event, close code and error, from the schemas and tables. */
import { shownFields } from '../../src/domain/conversation/view.ts';
import { ERROR_CODES } from '../../src/errors.ts';
import type { ErrorRow } from '../../src/errors.ts';
import {
  clientFrameSchemas,
  commandSchemas,
  eventSchemas,
  serverFrameSchemas,
  wireEventSchema,
} from '../../src/gateway/asyncapi.ts';
import { CLOSE, TERMINAL_CLOSE_CODE_MIN } from '../../src/gateway/close-codes.ts';
import { CLIENT_FRAME_DOCUMENTS, SERVER_FRAME_DOCUMENTS } from '../../src/gateway/frame-documents.ts';
import type { FrameDocument } from '../../src/gateway/frame-documents.ts';
import { CONVERSATION_COMMAND_DOCUMENTS } from '../../src/schemas/conversation-command-documents.ts';
import { code, table } from './markdown.ts';
import { fieldTable, typeOf } from './schema-table.ts';

export function protocolReference(): Readonly<Record<string, string>> {
  return {
    'client-frames': frames(CLIENT_FRAME_DOCUMENTS, clientFrameSchemas(), 'client'),
    'server-frames': frames(SERVER_FRAME_DOCUMENTS, serverFrameSchemas(), 'server'),
    event: `${fieldTable(wireEventSchema())}\n\n${eventTypes()}`,
    commands: commands(),
    'close-codes': closeCodes(),
    errors: errors(),
  };
}

function frames(
  documents: Readonly<Record<string, FrameDocument & { readonly answers?: readonly string[] }>>,
  schemas: Readonly<Record<string, ReturnType<typeof wireEventSchema>>>,
  by: 'client' | 'server',
): string {
  return Object.entries(documents)
    .map(([op, { summary, description, rules, answers = [], examples }]) => {
      const facts = [
        ...(by === 'client' ? [`Answer: ${answers.map(code).join(' or ') || 'none'}.`] : []),
        ...(rules.length === 0 ? [] : [`Rules: ${rules.join(', ')}.`]),
      ];
      const shown = examples.map(example => JSON.stringify(example)).join('\n');
      return [
        `### ${op} (${by})`,
        `${summary}. ${description} ${facts.join(' ')}`.trim(),
        // `op` says nothing new, and `ref` is the same everywhere.
        fieldTable(schemas[op] ?? {}, ['op', 'ref']),
        `\`\`\`json\n${shown}\n\`\`\``,
      ]
        .filter(Boolean)
        .join('\n\n');
    })
    .join('\n\n');
}

function commands(): string {
  const rows = Object.entries(commandSchemas()).map(([type, schema]) => [
    code(type),
    CONVERSATION_COMMAND_DOCUMENTS[type as keyof typeof CONVERSATION_COMMAND_DOCUMENTS].summary,
    fields(schema),
    code(JSON.stringify(CONVERSATION_COMMAND_DOCUMENTS[type as keyof typeof CONVERSATION_COMMAND_DOCUMENTS].example)),
  ]);
  return table(['`command`', 'what it does', '`data`', 'for example'], rows);
}

function eventTypes(): string {
  const visitor = shownFields('visitor');
  const rows = Object.entries(eventSchemas()).map(([type, schema]) => {
    const shown = visitor.get(type);
    const all = Object.keys(schema.properties ?? {});
    const toVisitors =
      shown === undefined
        ? 'hidden'
        : shown.length === all.length
          ? 'all'
          : shown.map(code).join(', ') || 'that it was';
    return [code(type), fields(schema, eventRequired(schema)), toVisitors];
  });
  return table(['`type`', '`data`, staff view', 'visitors see'], rows);
}

/** In the staff view nothing is left out. */
function eventRequired(schema: ReturnType<typeof wireEventSchema>): readonly string[] {
  return (schema['x-stored-required'] as readonly string[] | undefined) ?? [];
}

function fields(schema: ReturnType<typeof wireEventSchema>, required = schema.required ?? []): string {
  const told = Object.entries(schema.properties ?? {}).map(
    ([name, field]) => `${code(name)}${required.includes(name) ? '' : '?'} ${short(typeOf(field))}`,
  );
  return told.join('; ') || 'nothing';
}

/** A pattern is for machines: the AsyncAPI document has it. */
function short(type: string): string {
  return type.replaceAll(/string, `[^`]*`/g, 'key').replaceAll(/, at most \d+| or null/g, '');
}

function closeCodes(): string {
  const rows = Object.values(CLOSE).map(({ code: number, reason, when }) => [
    String(number),
    code(reason),
    when,
    number < TERMINAL_CLOSE_CODE_MIN ? 'come back, with your cursors' : 'do not come back like this',
  ]);
  return table(['code', 'reason', 'when', 'then'], rows);
}

function errors(): string {
  const rows = Object.entries(ERROR_CODES as Readonly<Record<string, ErrorRow>>)
    .filter(([, { frames }]) => frames.length > 0)
    .map(([name, { meaning, retryable, frames }]) => [
      code(name),
      meaning,
      retryable ? 'yes' : 'no',
      frames.map(code).join(', '),
    ]);
  return table(['code', 'meaning', 'retryable', 'in'], rows);
}
