/**
 * A served process that is killed with -9 at random instants while it projects: while it builds its read models for the
 * first time, while messages arrive, while it builds them anew, and while it compacts what an erasure overwrote. In the end
 * `verify` and a checker that knows nothing of the folds say the same: nothing lost, nothing twice. Then documents are
 * damaged, and must be found and mended.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import type { SampleLine } from '../support/sample.ts';
import { startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { ConversationTraffic } from './conversation-traffic.ts';
import { damage, damageOf } from './damaged-documents.ts';
import { Deck, expectRightAnswers, expectVerified, importUntilThere, lagOf } from './read-side-process.ts';
import { PROJECTION_NAMES, readLines, UNLIMITED, untilCaughtUp, verify } from './read-side-process.ts';
import { randomOf, SCALE, scaled, SEED } from './scale.ts';
import { runVerbatim } from './verbatim-command.ts';

const KILLS = Math.max(10, Math.round(50 * SCALE ** 1.2));
/** So that a small part of it fits into a minute. */
const LINES = Math.max(4_000, Math.round(60_000 * SCALE ** 1.7));
/** The rest comes in chunks, while the server is killed. */
const FIRST_PART = 0.6;
const ERASED_WORD = 'unforgettable';
const READY_MS = 120_000;
const SETTLE_MS = 120_000;

/** What is going on when the server dies, how often of ten times, and the longest wait before it. */
const MOMENTS = [
  { name: 'first build', often: 3, waitMs: 1_500 },
  { name: 'live', often: 3, waitMs: 700 },
  { name: 'rebuild', often: 2, waitMs: 1_500 },
  { name: 'compaction', often: 2, waitMs: 2_000 },
] as const;
type Moment = (typeof MOMENTS)[number];
const MOMENTS_A_DECK = MOMENTS.reduce((sum, { often }) => sum + often, 0);

let server: ServerProcess | undefined;
afterAll(() => server?.dispose());

describe('projecting under kills', () => {
  it(`${KILLS} kill -9 while it projects: nothing lost, nothing twice; a wrong document is found and mended`, async () => {
    const begunMs = performance.now();
    const lines = readLines(LINES);
    console.log(`SEED=${SEED} SCALE=${SCALE}, ${lines.length} messages`);
    server = await startServer({
      environment: {
        ...UNLIMITED,
        ...{ LOG_LEVEL: 'info', PROJECTION_DROP_GRACE_MS: '200' },
      },
    });
    const run = new KilledRun(server, lines);
    await run.begin();
    await run.killAgainAndAgain();
    await run.finish();
    const killedMs = performance.now();

    await expectVerified(server);
    const conversations = [...run.imported, ...run.traffic.conversations(), ...run.erasures];
    const counts = await expectRightAnswers(server, conversations, run.traffic.position);
    const seconds = Math.round((killedMs - begunMs) / 1_000);
    console.log(`  ${JSON.stringify({ ...run.counts(), ...counts, seconds })}`);

    await run.expectErased();
    for (const { name, often } of MOMENTS)
      expect(run.atWork[name], `${name}: kills that met it at work`).toBeGreaterThanOrEqual(
        Math.floor((KILLS / MOMENTS_A_DECK) * often * 0.3),
      );
    await expectDamageFound(server);
    console.log(`  checked in ${Math.round((performance.now() - killedMs) / 1_000)} s`);
  });
});

class KilledRun {
  readonly kills: Record<string, number> = Object.fromEntries(MOMENTS.map(({ name }) => [name, 0]));
  /** Of those, the ones that met at work what they were to meet. */
  readonly atWork: Record<string, number> = Object.fromEntries(MOMENTS.map(({ name }) => [name, 0]));
  readonly traffic: ConversationTraffic;
  readonly imported = new Set<string>();
  private readonly at: ServerProcess;
  private readonly random = randomOf('projecting kills');
  private readonly chunks: SampleLine[][];
  /** The conversations of those who were erased. */
  readonly erasures: string[] = [];
  private readonly complaints: string[] = [];
  private readonly ended = new AbortController();
  private working: Promise<void> | undefined;

  constructor(at: ServerProcess, lines: readonly SampleLine[]) {
    this.at = at;
    this.traffic = new ConversationTraffic({
      ...{ httpUrl: at.httpUrl, random: randomOf('traffic'), name: 'live', conversations: scaled(200, 40) },
      token: (role, sub) => at.token(role, sub),
    });
    const first = Math.floor(lines.length * FIRST_PART);
    const chunkLines = Math.ceil((lines.length - first) / KILLS);
    this.chunks = [lines.slice(0, first)];
    for (let begin = first; begin < lines.length; begin += chunkLines)
      this.chunks.push(lines.slice(begin, begin + chunkLines));
  }

  async begin(): Promise<void> {
    await this.importNext();
    // Few at a time, so that what they do is spread over the whole run.
    this.working = this.traffic.run(this.ended.signal, 2, 30);
  }

  async killAgainAndAgain(): Promise<void> {
    const deck = new Deck<Moment>(MOMENTS, this.random);
    for (let kill = 1; kill <= KILLS; kill++) {
      const moment = deck.deal();
      const isAtWork = await this.reach(moment);
      await delay(this.random() * moment.waitMs);
      if (await isAtWork()) this.atWork[moment.name] = (this.atWork[moment.name] ?? 0) + 1;
      if (!this.at.isRunning()) this.complaints.push(`It ended by itself:\n${this.at.output()}`);
      await this.at.kill9();
      this.noteComplaints();
      this.kills[moment.name] = (this.kills[moment.name] ?? 0) + 1;
      if (moment.name === 'first build')
        rmSync(join(this.at.dataFolder, 'read-models'), { recursive: true, force: true });
      this.at.launch();
      await this.at.untilReady(READY_MS);
    }
  }

  /** Begins what is to be met, and gives what tells whether it is still under way. */
  private async reach({ name }: Moment): Promise<() => Promise<boolean>> {
    switch (name) {
      case 'first build':
        await this.at.kill9();
        rmSync(join(this.at.dataFolder, 'read-models'), { recursive: true, force: true });
        this.at.launch();
        await this.at.untilReady(READY_MS);
        return async () => (await lagOf(this.at)) > 0;
      case 'live': {
        const importing = this.importNext();
        return async () => (await lagOf(this.at)) > 0 || (await isPending(importing));
      }
      case 'rebuild': {
        await untilCaughtUp(this.at);
        const rebuilding = PROJECTION_NAMES.map(projection => this.rebuild(projection));
        return () => isPending(Promise.all(rebuilding));
      }
      case 'compaction':
        await untilCaughtUp(this.at);
        await this.erase();
        return () => Promise.resolve(!this.at.output().includes('compacted after an erasure'));
    }
  }

  async finish(): Promise<void> {
    while (this.chunks.length > 0) await this.importNext();
    this.ended.abort();
    await this.working;
    await untilCaughtUp(this.at);
  }

  /** No file of the read models has a word that was erased; compactions of the last moment are waited for. */
  async expectErased(): Promise<void> {
    const deadlineMs = performance.now() + SETTLE_MS;
    let found = this.filesWithErasedWords();
    while (found.length > 0 && performance.now() < deadlineMs) {
      await delay(250);
      found = this.filesWithErasedWords();
    }
    expect(found).toEqual([]);
    expect(this.complaints).toEqual([]);
  }

  counts(): object {
    const { kills, atWork, traffic, erasures } = this;
    return { kills, atWork, commands: traffic.answered, taken: traffic.taken, erasures: erasures.length };
  }

  /** Sent again until every line is there, however often the server dies. */
  private async importNext(): Promise<void> {
    const lines = this.chunks.shift();
    if (lines === undefined) return;
    for (const { conversation } of lines) this.imported.add(conversation);
    await importUntilThere(this.at, lines);
  }

  /** Resolves however it ends: a kill ends it too. */
  private async rebuild(projection: string): Promise<void> {
    const headers = { authorization: `Bearer ${this.at.token('service', 'operator')}` };
    const url = `${this.at.httpUrl}/v1/projections/${projection}/rebuild`;
    await fetch(url, { method: 'POST', headers })
      .then(answer => answer.text())
      .catch(() => undefined);
  }

  /** Somebody says what nobody else says, in a conversation of its own, and is erased once that is projected. */
  private async erase(): Promise<void> {
    const subject = `gone-${this.erasures.length}`;
    const conversation = `erased.${this.erasures.length}`;
    this.erasures.push(conversation);
    const post = async (role: string, sub: string, path: string, data: object): Promise<Response> => {
      const answer = await fetch(`${this.at.httpUrl}/v1/${path}`, {
        method: 'POST',
        headers: {
          ...{ authorization: `Bearer ${this.at.token(role, sub)}`, 'content-type': 'application/json' },
          'idempotency-key': `${conversation}-${path.split('/').at(-1) ?? ''}`,
        },
        body: JSON.stringify(data),
      });
      if (!answer.ok) throw new Error(`${path} was answered ${answer.status}: ${await answer.text()}`);
      return answer;
    };
    const commands = `conversations/${conversation}/commands`;
    await post('agent', 'ada', `${commands}/StartConversation`, { channel: 'web', visitor: subject });
    await post('visitor', subject, `${commands}/PostMessage`, { text: `${ERASED_WORD}-${conversation} is what I say` });
    await untilCaughtUp(this.at);
    await post('supervisor', 'sue', `subjects/${subject}/erasure`, { reason: 'asked' });
  }

  private filesWithErasedWords(): string[] {
    const folder = join(this.at.dataFolder, 'read-models');
    if (!existsSync(folder)) return [];
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile());
    return files
      .map(entry => join(entry.parentPath, entry.name))
      .filter(file => readIfThere(file)?.includes(ERASED_WORD) ?? false);
  }

  private noteComplaints(): void {
    const lines = this.at.output().split('\n');
    this.complaints.push(...lines.filter(line => line.includes('"level":"error"') || /^(?!\{).*Error:/.test(line)));
  }
}

/** In the folder while no server has it, and through a server. */
async function expectDamageFound(at: ServerProcess): Promise<void> {
  await at.stop();
  for (const { projection, collection, kind, says } of damageOf()) {
    const id = await damage(join(at.dataFolder, 'read-models'), projection, collection, kind);
    const verified = await runVerbatim(at.environment, 'verify', projection.schema.name);
    expect(verified, verified.stderr).toMatchObject({ status: 1 });
    expect(verified.stdout).toContain(`${id} of ${collection} is ${says}`);
  }
  await at.start();
  for (const name of PROJECTION_NAMES) {
    const found = await verify(at, name);
    expect(found, found.stderr).toMatchObject({ status: 1 });
    expect(found.stdout).toContain('does not equal the log');
    const rebuilt = await runVerbatim(at.environment, 'rebuild', name, '--url', at.httpUrl);
    expect(rebuilt, rebuilt.stderr).toMatchObject({ status: 0 });
    console.log(`  ${rebuilt.stdout.trim()}`);
    const mended = await verify(at, name);
    expect(mended, mended.stderr).toMatchObject({ status: 0 });
  }
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  return (await Promise.race([promise, Promise.resolve(pending)])) === pending;
}

/** Generations are dropped while they are looked at. */
function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
