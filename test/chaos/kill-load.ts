/**
 * The load generator of the kill storm, a process of its own: it lives through every death of the server. Told by messages
 * of its parent: where the server is (`begin`), to compose nothing more and have everything answered (`settle`), and to
 * see every room to its end and leave (`finish`); it answers each by the word for it being done.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { signToken } from '../support/server-process.ts';
import { command, commandOverHttp, exportOverHttp, importOverHttp, readAnywhere } from './kill-callers.ts';
import type { CallerOptions, Known } from './kill-callers.ts';
import { JournalFile } from './kill-journal.ts';
import { PEOPLE, ROOM_IDS, roomKey, TENANTS, VISITOR_ROOMS, visitorOf } from './kill-plan.ts';
import type { Tenant } from './kill-plan.ts';
import { Talker } from './kill-talker.ts';
import { randomOf } from './scale.ts';

export interface LoadOptions {
  readonly httpUrl: string;
  readonly gatewayUrl: string;
  readonly secret: string;
  readonly journal: string;
}

export type LoadOrder = { readonly op: 'begin'; readonly options: LoadOptions } | { readonly op: 'settle' | 'finish' };

const TOKEN_SECONDS = 6 * 3_600;
/** Receipts are recorded up to a second after they came. */
const RECEIPTS_MS = 2_500;
const WAIT_MS = 50;

class Load {
  private readonly options: LoadOptions;
  private readonly journals: JournalFile;
  private readonly callers: CallerOptions;
  private readonly talkers: Talker[] = [];
  private readonly running: Promise<void>[] = [];
  private settling = false;

  constructor(options: LoadOptions) {
    this.options = options;
    this.journals = new JournalFile(options.journal);
    const known: Known = { heads: new Map(), posts: new Map() };
    this.callers = {
      ...{ httpUrl: options.httpUrl, gatewayUrl: options.gatewayUrl, journals: this.journals, known },
      token: (role, sub, tenant) => signToken(options.secret, role, sub, { tenant, expiresInSeconds: TOKEN_SECONDS }),
      random: randomOf('callers'),
      acked: (room, last, postId) => {
        known.heads.set(room, Math.max(last, known.heads.get(room) ?? -1));
        if (postId === undefined) return;
        const posts = known.posts.get(room);
        if (posts) posts.push(postId);
        else known.posts.set(room, [postId]);
      },
      isSettling: () => this.settling,
    };
  }

  /** Resolves once every room has begun; the load goes on from there. */
  async begin(): Promise<void> {
    await Promise.all(TENANTS.map(tenant => this.startRooms(tenant)));
    const { gatewayUrl, token, acked } = this.callers;
    for (const person of PEOPLE) {
      const talker = new Talker({
        ...{ person, gatewayUrl, acked, journals: this.journals, random: randomOf(person.sub) },
        token: token(person.role, person.sub, person.tenant),
      });
      this.talkers.push(talker);
      this.running.push(talker.run());
    }
    for (const tenant of TENANTS)
      for (const caller of [commandOverHttp, importOverHttp, exportOverHttp, readAnywhere])
        this.running.push(caller(this.callers, tenant));
  }

  async settle(): Promise<void> {
    this.settling = true;
    for (const talker of this.talkers) talker.settle();
    await Promise.all(this.running.slice(this.talkers.length));
    while (!this.talkers.every(talker => talker.isSettled())) await delay(WAIT_MS);
  }

  async finish(): Promise<void> {
    await delay(RECEIPTS_MS);
    const heads = new Map<string, number>();
    for (const tenant of TENANTS)
      for (const room of ROOM_IDS) heads.set(roomKey(tenant, room), await this.headOf(tenant, room));
    while (!this.talkers.every(talker => talker.hasSeen(heads))) await delay(WAIT_MS);
    for (const talker of this.talkers) talker.end();
    await Promise.all(this.running);
    await this.journals.close();
  }

  private async startRooms(tenant: Tenant): Promise<void> {
    const token = this.callers.token('supervisor', `${tenant}-starter`, tenant);
    for (const [index, conversation] of ROOM_IDS.entries()) {
      const room = roomKey(tenant, conversation);
      const note = this.journals.begin({ room, client: `${tenant}-starter`, view: 'staff', reads: 'none' });
      const path = `/v1/conversations/${conversation}/commands/StartConversation`;
      const visitor = index < VISITOR_ROOMS ? { visitor: visitorOf(tenant) } : {};
      const target = { room, note, token, path, command: 'StartConversation' };
      await command(this.callers, target, `${tenant}-start.${index}`, { channel: 'chaos', ...visitor });
    }
  }

  private async headOf(tenant: Tenant, conversation: string): Promise<number> {
    const authorization = `Bearer ${this.callers.token('auditor', 'auditor', tenant)}`;
    const url = `${this.options.httpUrl}/v1/conversations/${conversation}/events?limit=1`;
    const answer = await fetch(url, { headers: { authorization } });
    if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
    return ((await answer.json()) as { head: number }).head;
  }
}

let load: Load | undefined;
process.on('disconnect', () => process.exit(2));
process.on('message', (order: LoadOrder) => {
  const done = async (): Promise<void> => {
    if (order.op === 'begin') load = new Load(order.options);
    await load?.[order.op]();
    process.send?.({ op: order.op }, () => {
      if (order.op === 'finish') process.exit(0);
    });
  };
  void done();
});
