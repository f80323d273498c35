/** What the runs of the read side do with a served process: fill it, wait for its projections, have it verify itself. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { PROJECTIONS } from '../../src/projections/projections.ts';
import { linesOf, readNdjson, renamed, SAMPLE, toNdjson, WHOLE_FILE } from '../support/sample.ts';
import type { SampleLine } from '../support/sample.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { checkReadModels } from './read-model-checker.ts';
import { readAnswers, readHistories, readJson } from './read-model-reader.ts';
import { runVerbatim } from './verbatim-command.ts';
import type { CommandResult } from './verbatim-command.ts';

const SETTLE_MS = 5 * 60_000;
const AGAIN_MS = 100;
const DIFFERENCES_SHOWN = 20;
const VERIFY_TRIES_MAX = 5;

export const PROJECTION_NAMES = PROJECTIONS.map(({ schema }) => schema.name);

/** So that nobody who asks here is told to wait. */
export const UNLIMITED = {
  ...{ HTTP_REQUESTS_PER_SECOND_MAX: '1000000', HTTP_TENANT_REQUESTS_PER_SECOND_MAX: '1000000' },
  ...{ SENDS_PER_SECOND_MAX: '100000', COMMANDS_PER_SOCKET_MAX: '10000' },
  // Longer than any query waits here: a connection on which nothing moves meanwhile is not to be cut.
  HTTP_IDLE_TIMEOUT_MS: '300000',
} as const;

/** Messages of real conversations where they are on this machine, else copies of those that ship. */
export function readLines(count: number): SampleLine[] {
  if (WHOLE_FILE !== undefined) return linesOf(readNdjson(WHOLE_FILE)).slice(0, count);
  const sample = linesOf(readNdjson(SAMPLE));
  const copies = Array.from({ length: Math.ceil(count / sample.length) }, (_, i) => renamed(sample, `copy-${i}`));
  return copies.flat().slice(0, count);
}

/** Sent again until every line is there, however often the server dies. */
export async function importUntilThere(at: ServerProcess, lines: readonly SampleLine[]): Promise<void> {
  const ask = async (): Promise<boolean> => {
    const answer = await fetch(`${at.httpUrl}/v1/import`, {
      method: 'POST',
      headers: { authorization: `Bearer ${at.token('service', 'importer')}`, 'content-type': 'application/x-ndjson' },
      body: toNdjson(lines),
    });
    const results = (await answer.text()).trimEnd().split('\n');
    return results.length === lines.length && results.every(line => /"status":"(imported|duplicate)"/.test(line));
  };
  while (!(await ask().catch(() => false))) await delay(AGAIN_MS);
}

/** Events behind the end of the log, of the projection that is farthest behind; at least 1 while one is not live. */
export async function lagOf(at: ServerProcess): Promise<number> {
  type Status = { readonly state: string; readonly lagEvents: number };
  const told = await readJson<{ projections: Status[] }>({ httpUrl: at.httpUrl, token: '' }, '/health/ready').catch(
    (error: unknown) => error as Error,
  );
  if (told instanceof Error) {
    if (!at.isRunning()) throw new Error(`It ended by itself:\n${at.output()}`, { cause: told });
    return Infinity;
  }
  if (told.projections.length === 0) return Infinity;
  const lags = told.projections.map(({ state, lagEvents }) => (state === 'live' ? lagEvents : Math.max(1, lagEvents)));
  return Math.max(...lags);
}

/** @throws Error where it is not within five minutes */
export async function untilCaughtUp(at: ServerProcess): Promise<void> {
  const deadlineMs = performance.now() + SETTLE_MS;
  while ((await lagOf(at)) > 0) {
    if (performance.now() > deadlineMs) throw new Error(`It never caught up:\n${at.output()}`);
    await delay(AGAIN_MS / 2);
  }
}

/** Asked again where a compacting copy has taken the place of what was compared: then it says so, and nothing of documents. */
export async function verify(at: ServerProcess, name: string): Promise<CommandResult> {
  for (let tries = 1; ; tries++) {
    const verified = await runVerbatim(at.environment, 'verify', name, '--url', at.httpUrl);
    if (verified.stdout !== '' || tries === VERIFY_TRIES_MAX || !verified.stderr.includes('verbatim: unavailable'))
      return verified;
    console.log(`  verify ${name} once more: ${verified.stderr.trim()}`);
  }
}

/** `verbatim verify` of every read model says that it equals the log. */
export async function expectVerified(at: ServerProcess): Promise<void> {
  for (const name of PROJECTION_NAMES) {
    const verified = await verify(at, name);
    expect(verified, verified.stderr).toMatchObject({ status: 0 });
    console.log(`  ${verified.stdout.trim()}`);
  }
}

/** Holds every answer against the histories of these conversations, which are all there are. */
export async function expectRightAnswers(
  at: ServerProcess,
  conversations: readonly string[],
  minPosition: bigint,
): Promise<object> {
  const reader = { httpUrl: at.httpUrl, token: at.token('auditor', 'judge') };
  const histories = await readHistories(reader, conversations);
  const answers = await readAnswers(reader, histories, String(minPosition < 0n ? 0n : minPosition));
  expect(checkReadModels(histories, answers).slice(0, DIFFERENCES_SHOWN)).toEqual([]);
  const events = [...histories.values()].reduce((sum, each) => sum + each.length, 0);
  const messages = [...answers.conversations.values()].reduce((sum, shown) => sum + shown.messages.length, 0);
  return { conversations: conversations.length, events, messages };
}

/** Dealt from shuffled decks, so that a short run has something of everything. */
export class Deck<Card extends { readonly often: number }> {
  private left: Card[] = [];
  private readonly cards: readonly Card[];
  private readonly random: () => number;

  constructor(cards: readonly Card[], random: () => number) {
    [this.cards, this.random] = [cards, random];
  }

  deal(): Card {
    if (this.left.length === 0) this.left = this.cards.flatMap(card => Array.from({ length: card.often }, () => card));
    const card = this.left.splice(Math.floor(this.random() * this.left.length), 1)[0];
    if (card === undefined) throw new Error('There are no cards.');
    return card;
  }
}
