/**
 * Imports a file of conversations through the command path, so that a repeat appends nothing and every rule holds.
 * Lines of one conversation go strictly in order, conversations side by side, results in the order of the lines; at
 * most `windowLines` are read and not yet answered. A bad line is a result, and the rest goes on.
 */
import { setTimeout } from 'node:timers/promises';
import { Rejection } from '../domain/decider.ts';
import { RequestError, UnavailableError } from '../errors.ts';
import { faultOf } from '../faults.ts';
import type { ImportLine } from '../schemas/import-line.ts';
import type { CommandAck, ConversationCommands } from './commands.ts';
import type { TenantKeys } from './derived-ids.ts';
import type { NumberedLine } from './import-lines.ts';
import { actorOf, parseLine, postOf, startOf } from './import-mapping.ts';
import type { ImportAs } from './import-mapping.ts';

export interface ImportResult {
  /** The line's number in its file, from 1. */
  readonly line: number;
  readonly status: 'imported' | 'duplicate' | 'rejected';
  readonly id?: string;
  readonly conversation?: string;
  /** Of a rejected line: a code of ERROR_CODES, the finer one of a rule, the field, and in words. */
  readonly code?: string;
  readonly reason?: string;
  readonly path?: string;
  readonly message?: string;
}

/** How often a line is tried again that the store, or a full queue, kept from being imported. */
const RETRIES_MAX = 6;
/** Bound of the wait before the first such retry; it doubles with each, and the wait is a random part of it. */
const RETRY_DELAY_MS = 200;

export interface ImporterOptions {
  /** Told of what nobody foresaw in one line (its stream cannot be read, a bug): the caller is told only that. */
  readonly onError?: (error: unknown, lineId: string) => void;
  readonly commands: ConversationCommands;
  readonly keys: TenantKeys;
  /** In [0, 1). */
  readonly random?: () => number;
  readonly delay?: (ms: number) => Promise<unknown>;
}

export interface ImportRun extends ImportAs {
  readonly windowLines: number;
}

export interface Importer {
  /**
   * Blank lines are passed over.
   *
   * @throws UnavailableError after the result of the line that could not be imported: what was answered is kept, the
   *   rest was not read, and running the import again goes on from there
   */
  run(lines: AsyncIterable<NumberedLine>, options: ImportRun): AsyncGenerator<ImportResult>;
}

export function createImporter(options: ImporterOptions): Importer {
  return {
    async *run(lines, { windowLines, ...as }) {
      const running = new RunningImport(options, as);
      const source = lines[Symbol.asyncIterator]();
      const window: Answer[] = [];
      let next = pull(source);
      let end: Extract<Pulled, { kind: 'end' }> | undefined;
      try {
        for (;;) {
          const oldest = window[0];
          if (oldest?.result !== undefined) {
            window.shift();
            yield oldest.result;
            if (oldest.fatal !== undefined) throw oldest.fatal;
            continue;
          }
          if (end !== undefined && oldest === undefined) {
            if (end.error !== undefined) throw end.error;
            return;
          }
          // A result that is there waits for no line, and a line that has come for no result, while the window has room.
          const waitFor: Promise<Pulled | Settled>[] = oldest === undefined ? [] : [oldest.settled];
          if (end === undefined && window.length < windowLines) waitFor.push(next);
          const event = await Promise.race(waitFor);
          if (event.kind === 'end') end = event;
          if (event.kind !== 'line') continue;
          const answer = running.submit(event.line);
          if (answer !== undefined) window.push(answer);
          next = pull(source);
        }
      } finally {
        running.stop();
        await Promise.all(window.map(({ settled }) => settled));
        // Not awaited: a source that is waited for for ever would never return.
        if (end === undefined) void source.return?.().catch(() => undefined);
      }
    },
  };
}

type Pulled = { readonly kind: 'line'; readonly line: NumberedLine } | { readonly kind: 'end'; readonly error?: Error };

/** Never rejects, so that a source may fail while nobody waits for it. */
function pull(source: AsyncIterator<NumberedLine>): Promise<Pulled> {
  return source.next().then(
    ({ done, value }): Pulled => (done === true ? { kind: 'end' } : { kind: 'line', line: value }),
    (error: unknown): Pulled => ({
      kind: 'end',
      error: error instanceof Error ? error : new Error('The lines cannot be read.', { cause: error }),
    }),
  );
}

interface Settled {
  readonly kind: 'settled';
}
const SETTLED: Settled = { kind: 'settled' };

/** What becomes of one line. Never rejects. */
interface Answer {
  readonly settled: Promise<Settled>;
  result: ImportResult | undefined;
  /** The import ends with this line. */
  fatal: UnavailableError | undefined;
}

/** One conversation while lines of it are in the window. */
interface Conversation {
  /** Settles when the last line of it taken so far has. */
  tail: Promise<unknown>;
  inWindow: number;
  started: boolean;
}

class RunningImport {
  private readonly options: ImporterOptions;
  private readonly as: ImportAs;
  private readonly conversations = new Map<string, Conversation>();
  private stopping = false;

  constructor(options: ImporterOptions, as: ImportAs) {
    this.options = options;
    this.as = as;
  }

  /** Undefined: the line is blank. */
  submit(numbered: NumberedLine): Answer | undefined {
    const parsed = parseLine(numbered);
    if (parsed.kind === 'blank') return undefined;
    if (parsed.kind === 'bad') {
      const result: ImportResult = { line: numbered.number, status: 'rejected', ...parsed.problem };
      return { settled: Promise.resolve(SETTLED), result, fatal: undefined };
    }
    const { line } = parsed;
    const conversation = this.conversationOf(line.conversation);
    const { tail } = conversation;
    const answer: Answer = {
      settled: tail.then(() => this.settle(answer, numbered.number, line, conversation)),
      result: undefined,
      fatal: undefined,
    };
    conversation.tail = answer.settled;
    return answer;
  }

  /** Nobody waits for results any more: what runs is finished, what waits for another try is not tried again. */
  stop(): void {
    this.stopping = true;
  }

  private conversationOf(id: string): Conversation {
    const known = this.conversations.get(id);
    const conversation = known ?? { tail: Promise.resolve(), inWindow: 0, started: false };
    if (known === undefined) this.conversations.set(id, conversation);
    conversation.inWindow += 1;
    return conversation;
  }

  private async settle(answer: Answer, number: number, line: ImportLine, conversation: Conversation): Promise<Settled> {
    const named = { line: number, id: line.id, conversation: line.conversation };
    try {
      if (this.stopping) throw new UnavailableError('The import has stopped before this line.');
      const { duplicate } = await this.perform(line, conversation);
      answer.result = { ...named, status: duplicate ? 'duplicate' : 'imported' };
    } catch (error) {
      answer.result = { ...named, status: 'rejected', ...describe(error) };
      if (error instanceof UnavailableError) {
        answer.fatal = error;
        this.stopping = true;
      } else if (!(error instanceof Rejection || error instanceof RequestError)) this.options.onError?.(error, line.id);
    }
    conversation.inWindow -= 1;
    if (conversation.inWindow === 0) this.conversations.delete(line.conversation);
    return SETTLED;
  }

  private async perform(line: ImportLine, conversation: Conversation): Promise<CommandAck> {
    const { commands, keys } = this.options;
    const { tenant } = this.as;
    const actor = actorOf(line, tenant, keys);
    if (!conversation.started) {
      const { state } = await this.retried(() => commands.load(tenant, line.conversation));
      if (state.status === 'not-started')
        await this.retried(() => commands.handle(startOf(line, actor, this.as))).catch(ignoreStartedInBetween);
      conversation.started = true;
    }
    return this.retried(() => commands.handle(postOf(line, actor, this.as)));
  }

  /** Tries again what may come right by itself. */
  private async retried<Result>(attempt: () => Promise<Result>): Promise<Result> {
    const { random = Math.random, delay = setTimeout } = this.options;
    for (let retries = 0; ; retries += 1) {
      try {
        return await attempt();
      } catch (error) {
        if (this.stopping || retries === RETRIES_MAX || !mayComeRight(error)) throw error;
        await delay(random() * RETRY_DELAY_MS * 2 ** retries);
      }
    }
  }
}

function mayComeRight(error: unknown): boolean {
  return error instanceof UnavailableError || (error instanceof RequestError && error.retryable);
}

/** Somebody started the conversation in between, or another import did, for whoever opens it there: it is started. */
function ignoreStartedInBetween(error: unknown): void {
  const started = error instanceof Rejection && error.code === 'already-started';
  const imported = error instanceof RequestError && error.code === 'idempotency-mismatch';
  if (!started && !imported) throw error;
}

function describe(error: unknown): Pick<ImportResult, 'code' | 'reason' | 'path' | 'message'> {
  const { code, message, reason, path } = faultOf(error);
  return { code, message, ...(reason === undefined ? {} : { reason }), ...(path === undefined ? {} : { path }) };
}
