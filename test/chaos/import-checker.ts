/**
 * Holds rooms as a WebSocket shows them against the file they were imported from: every message once, in order, its text
 * equal code unit by code unit, its time, author, role and reply kept. Pure.
 */
import { byConversation } from '../support/sample.ts';
import type { SampleLine } from '../support/sample.ts';
import type { WireEvent } from '../support/wire-client.ts';

/** What differs, as sentences; empty when the rooms are the file. `rooms` by conversation id. */
export function checkImport(lines: readonly SampleLine[], rooms: ReadonlyMap<string, readonly WireEvent[]>): string[] {
  const found: string[] = [];
  const actorByAuthor = new Map<string, string>();
  const authorByActor = new Map<string, string>();
  for (const [conversation, expected] of byConversation(lines)) {
    const events = rooms.get(conversation) ?? [];
    found.push(...checkConversation(expected, events).map(what => `${conversation}: ${what}`));
    for (const event of events) {
      const author = sourceOf(event)?.author;
      if (author === undefined) continue;
      const actor = actorByAuthor.get(author) ?? event.actor.id;
      if (actor !== event.actor.id) found.push(`${conversation}: ${author} has the ids ${actor} and ${event.actor.id}`);
      const other = authorByActor.get(actor) ?? author;
      if (other !== author) found.push(`${conversation}: ${author} and ${other} share the id ${actor}`);
      actorByAuthor.set(author, actor);
      authorByActor.set(actor, author);
    }
  }
  return found;
}

function checkConversation(expected: readonly SampleLine[], events: readonly WireEvent[]): string[] {
  const found: string[] = [];
  const [started, ...posted] = events;
  if (events.length !== expected.length + 1) found.push(`${events.length} events for ${expected.length} messages`);
  if (started?.type !== 'ConversationStarted') found.push(`begins with ${started?.type ?? 'nothing'}`);
  if (started && started.at !== expected[0]?.at) found.push(`started at ${started.at}`);
  for (const [index, event] of events.entries())
    if (event.rev !== index) found.push(`revision ${event.rev} at place ${index}`);
  for (const [seq, line] of expected.entries()) {
    const event = posted[seq];
    if (!event) {
      found.push(`message ${line.id} is missing`);
      continue;
    }
    const source = sourceOf(event);
    const replyTo = expected.slice(0, seq).findIndex(({ id }) => id === line.replyTo);
    const compared: readonly [name: string, actual: unknown, wanted: unknown][] = [
      ['type', event.type, 'MessagePosted'],
      ['seq', event.data.seq, seq],
      ['id', source?.id, line.id],
      ['command id', event.commandId, line.id],
      ['text', event.data.text, line.text],
      ['at', event.at, line.at],
      ['author', source?.author, line.author],
      ['role', event.actor.role, line.role],
      ['source.replyTo', source?.replyTo, line.replyTo],
      ['replyTo', event.data.replyTo, replyTo === -1 ? undefined : replyTo],
    ];
    for (const [name, actual, wanted] of compared) {
      if (actual !== wanted)
        found.push(`message ${seq}: ${name} is ${JSON.stringify(actual)}, not ${JSON.stringify(wanted)}`);
    }
  }
  return found;
}

function sourceOf(event: WireEvent): { id?: string; author?: string; replyTo?: string } | undefined {
  return event.data.source as { id?: string; author?: string; replyTo?: string } | undefined;
}
