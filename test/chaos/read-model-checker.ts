/**
 * Holds what queries answered against the histories of all conversations: nothing lost, nothing twice, every field as the
 * events say. Its own tests plant every fault that it must find.
 */
import { isDeepStrictEqual } from 'node:util';
import type { WireEvent } from '../support/wire-client.ts';
import { expectedMessages, expectedParticipants, expectedSummary, expectedVolume } from './read-model-expectations.ts';

type Json = Readonly<Record<string, unknown>>;

/** What queries say of one conversation. */
export interface Shown {
  readonly messages: readonly Json[];
  readonly participants: readonly Json[];
}

export interface Answers {
  /** Every entry of the list of all, in the order in which they came. */
  readonly listed: readonly Json[];
  readonly conversations: ReadonlyMap<string, Shown>;
  /** Counters by day, `YYYY-MM-DD` in UTC; days on which nothing was counted may be absent. */
  readonly volume: ReadonlyMap<string, Readonly<Record<string, number>>>;
}

/** Sentences, none where the answers are what the histories say. */
export function checkReadModels(histories: ReadonlyMap<string, readonly WireEvent[]>, answers: Answers): string[] {
  return [
    ...checkListing(histories, answers.listed),
    ...[...histories].flatMap(([conversation, events]) =>
      checkConversation(conversation, events, answers.conversations.get(conversation)),
    ),
    ...checkVolume([...histories.values()].flat(), answers.volume),
  ];
}

function checkListing(histories: ReadonlyMap<string, readonly WireEvent[]>, listed: readonly Json[]): string[] {
  const entries = new Map<string, Json[]>();
  for (const entry of listed) {
    const conversation = String(entry.conversation);
    entries.set(conversation, [...(entries.get(conversation) ?? []), entry]);
  }
  const unknown = [...entries.keys()].filter(conversation => !histories.has(conversation));
  const told = [...histories].flatMap(([conversation, events]) => {
    const expected = expectedSummary(conversation, events);
    const found = entries.get(conversation) ?? [];
    if (found.length !== (expected === undefined ? 0 : 1)) return [`${conversation}: is listed ${found.length} times`];
    return differences(`${conversation}: the summary`, expected, found[0]);
  });
  return [...unknown.map(conversation => `${conversation}: is listed and has no history`), ...told];
}

function checkConversation(conversation: string, events: readonly WireEvent[], shown: Shown | undefined): string[] {
  const messages = expectedMessages(events);
  const found = shown?.messages ?? [];
  const participants = new Map(shown?.participants.map(entry => [entry.participant, entry]));
  const expected = expectedParticipants(conversation, events);
  return [
    ...(found.length === messages.length
      ? []
      : [`${conversation}: ${found.length} messages are shown, ${messages.length} were posted`]),
    ...messages.flatMap((message, i) => differences(`${conversation}: message ${i}`, message, found[i])),
    ...(shown?.participants.length === expected.length
      ? []
      : [`${conversation}: ${shown?.participants.length ?? 0} participants are shown, ${expected.length} took part`]),
    ...expected.flatMap(entry =>
      differences(
        `${conversation}: participant ${String(entry.participant)}`,
        entry,
        participants.get(entry.participant),
      ),
    ),
  ];
}

function checkVolume(events: readonly WireEvent[], volume: Answers['volume']): string[] {
  const byDay = new Map<string, WireEvent[]>();
  for (const event of events) {
    const day = event.at.slice(0, 'YYYY-MM-DD'.length);
    const known = byDay.get(day);
    if (known) known.push(event);
    else byDay.set(day, [event]);
  }
  return [...new Set([...byDay.keys(), ...volume.keys()])].flatMap(day =>
    differences(`volume of ${day}`, expectedVolume(byDay.get(day) ?? []), volume.get(day) ?? expectedVolume([])),
  );
}

/** Names the fields, and shows no contents. */
function differences(what: string, expected: Json | undefined, found: Json | undefined): string[] {
  if (isDeepStrictEqual(expected, found)) return [];
  if (expected === undefined || found === undefined)
    return [`${what} ${found === undefined ? 'is missing' : 'should not be there'}`];
  const names = [...new Set([...Object.keys(expected), ...Object.keys(found)])];
  const differing = names.filter(name => !isDeepStrictEqual(expected[name], found[name]));
  return [`${what} differs in ${differing.join(', ')}`];
}
