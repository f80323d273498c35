/** Files of real conversations: the sample that ships, and the whole of it where SUPPORT_DATA or ../shared/data has it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const REPOSITORY = join(import.meta.dirname, '..', '..');

export const SAMPLE = join(REPOSITORY, 'examples', 'ubuntu-support-sample.ndjson');
const WHOLE = process.env.SUPPORT_DATA ?? join(REPOSITORY, '..', 'shared', 'data', 'ubuntu-support.ndjson.gz');

/** Undefined where it is not on this machine. */
export const WHOLE_FILE: string | undefined = existsSync(WHOLE) ? WHOLE : undefined;

export function readNdjson(path: string): string {
  const bytes = readFileSync(path);
  return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
}

export interface SampleLine {
  readonly id: string;
  readonly conversation: string;
  readonly at: string;
  readonly author: string;
  readonly role: string;
  readonly text: string;
  readonly replyTo?: string;
}

export function linesOf<Line = SampleLine>(ndjson: string): Line[] {
  return ndjson
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Line);
}

/** The lines of each conversation, in order. */
export function byConversation<Line extends { readonly conversation: string }>(
  lines: readonly Line[],
): Map<string, Line[]> {
  const conversations = new Map<string, Line[]>();
  for (const line of lines) {
    const known = conversations.get(line.conversation);
    if (known) known.push(line);
    else conversations.set(line.conversation, [line]);
  }
  return conversations;
}

/** The file with a mark in every id, author and text, as another tenant's. */
export function marked(lines: readonly SampleLine[], mark: string): SampleLine[] {
  return lines.map(({ id, conversation, author, text, replyTo, ...rest }) => ({
    ...rest,
    id: `${mark}.${id}`,
    conversation: `${mark}.${conversation}`,
    author: `${mark}-${author}`,
    text: `${mark} ${text}`,
    ...(replyTo === undefined ? {} : { replyTo: `${mark}.${replyTo}` }),
  }));
}

/** The same lines as another copy of their conversations. */
export function renamed(lines: readonly SampleLine[], suffix: string): SampleLine[] {
  return lines.map(({ id, conversation, replyTo, ...rest }) => ({
    ...rest,
    id: `${id}.${suffix}`,
    conversation: `${conversation}.${suffix}`,
    ...(replyTo === undefined ? {} : { replyTo: `${replyTo}.${suffix}` }),
  }));
}

export function toNdjson(lines: readonly object[]): string {
  return lines.map(line => `${JSON.stringify(line)}\n`).join('');
}
