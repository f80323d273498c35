/**
 * A process with the clients of one system of `reconnect-storm`: raw sockets that are cut, come back, say where they
 * were, and note down what reaches them and when.
 */
import { signToken } from '../../src/auth/tokens.ts';
import { answerParent } from './child-process.ts';
import { judgeStorm, type StormNotes, type StormVerdict } from '../../test/chaos/storm-checker.ts';
import type { StormSystemName } from './storm-systems.ts';
import { WireSocket, type WireAddress } from './wire-socket.ts';

export interface StormPlan {
  readonly system: StormSystemName;
  readonly address: WireAddress;
  /** What tokens are signed with; Verbatim's alone. Each client is somebody else. */
  readonly secret: string;
  readonly clients: number;
  /** Rooms, of Verbatim alone: clients are spread over them. */
  readonly rooms: readonly string[];
  /** Each at a time of its own, or all in the same turn. */
  readonly cuts: 'spread' | 'at-once' | 'none';
  /** Each connection lives about so long. */
  readonly upMs: number;
}

export type StormClients = {
  /** Resolves when all are in. */
  connect(plan: StormPlan): Promise<void>;
  /** Cuts begin. */
  storm(): void;
  /** Cuts end; resolves once every broadcast has reached everybody, or `ms` have passed. */
  settle(sentAt: number[], ms: number): Promise<StormVerdict & { readonly cuts: number }>;
};

/** Each that is cut is away about so long. */
const DOWN_MS = 2_000;
const RETRY_MS = 300;
const HOUR_MS = 3_600_000;
const CONNECTING_AT_ONCE = 50;
/** What a broadcast is known by: `#17#`. */
const MARK = /#(\d+)#/g;
const UP_TO = /"upTo":(-?\d+)/;

/** What a client of each system says when it comes (again), and what it must remember for that. */
interface Dialect {
  /** Said as soon as the upgrade is through; undefined: nothing yet. */
  hello(): string | undefined;
  /** Looks at each frame; what it returns is said. `entered` once it is in the room. */
  heard(text: string, entered: () => void): string | undefined;
}

const now = (): number => performance.timeOrigin + performance.now();

function dialectOf(system: StormSystemName, room: string): Dialect {
  if (system === 'verbatim') {
    let after: number | undefined;
    return {
      hello: () => JSON.stringify({ op: 'subscribe', room, ...(after === undefined ? { live: true } : { after }) }),
      heard: (text, entered) => {
        if (text.startsWith('{"op":"error"')) throw new Error(text);
        const upTo = UP_TO.exec(text.slice(0, 240))?.[1];
        if (upTo !== undefined) after = Number(upTo);
        if (text.startsWith('{"op":"caught-up"')) entered();
        return undefined;
      },
    };
  }
  if (system === 'ws') {
    let after = -1;
    return {
      hello: () => JSON.stringify({ after }),
      heard: text => {
        after = (JSON.parse(text) as { seq: number }).seq;
        return undefined;
      },
    };
  }
  let pid = '';
  let offset = '';
  return {
    hello: () => undefined,
    heard: (text, entered) => {
      if (text.startsWith('0')) return pid === '' ? '40' : `40${JSON.stringify({ pid, offset })}`;
      if (text === '2') return '3';
      if (text.startsWith('40')) {
        ({ pid } = JSON.parse(text.slice(2)) as { pid: string });
        entered();
      } else if (text.startsWith('42')) offset = (JSON.parse(text.slice(2)) as [string, unknown, string])[2];
      return undefined;
    },
  };
}

class StormClient {
  readonly seqs: number[] = [];
  readonly arrivedAt: number[] = [];
  readonly connectedAt: number[] = [];
  private readonly plan: StormPlan;
  private readonly dialect: Dialect;
  private socket: WireSocket | undefined;
  private ended = false;

  private readonly address: WireAddress;

  constructor(plan: StormPlan, index: number, token: string | undefined) {
    this.plan = plan;
    this.address = token === undefined ? plan.address : { ...plan.address, authorization: `Bearer ${token}` };
    this.dialect = dialectOf(plan.system, plan.rooms[index % plan.rooms.length] ?? '');
  }

  connect(entered: () => void = () => undefined): void {
    if (this.ended) return;
    const begun = now();
    const { dialect } = this;
    this.socket = WireSocket.begin(this.address, {
      onText: payload => {
        const text = payload.toString('latin1');
        const reply = dialect.heard(text, entered);
        if (reply !== undefined) this.socket?.sendText(reply);
        for (const [, seq] of text.matchAll(MARK)) {
          this.seqs.push(Number(seq));
          this.arrivedAt.push(now());
        }
      },
      onUpgraded: socket => {
        this.connectedAt.push(begun);
        const hello = dialect.hello();
        if (hello !== undefined) socket.sendText(hello);
        if (this.plan.system === 'ws') entered();
      },
      onLost: () => {
        this.socket = undefined;
        setTimeout(
          () => {
            this.connect(entered);
          },
          RETRY_MS * (0.5 + Math.random()),
        );
      },
    });
  }

  cut(): boolean {
    const { socket } = this;
    this.socket = undefined;
    socket?.close();
    return socket !== undefined;
  }

  end(): void {
    this.ended = true;
    this.cut();
  }

  notes(): StormNotes {
    return { seqs: this.seqs, arrivedAt: this.arrivedAt, connectedAt: this.connectedAt.slice(1) };
  }
}

let plan: StormPlan;
let clients: StormClient[] = [];
let storming = false;
let cuts = 0;

async function connect(given: StormPlan): Promise<void> {
  plan = given;
  cuts = 0;
  const tokens = await Promise.all(Array.from({ length: plan.clients }, (_, i) => tokenOf(i)));
  clients = tokens.map((token, i) => new StormClient(plan, i, token));
  for (let first = 0; first < clients.length; first += CONNECTING_AT_ONCE)
    await Promise.all(
      clients.slice(first, first + CONNECTING_AT_ONCE).map(
        client =>
          new Promise<void>(resolve => {
            client.connect(resolve);
          }),
      ),
    );
}

async function tokenOf(index: number): Promise<string | undefined> {
  if (plan.system !== 'verbatim') return undefined;
  const claims = { sub: `agent-${index}`, tenant: 'default', role: 'agent', rooms: [] } as const;
  return signToken(Buffer.from(plan.secret), { ...claims, expiresAt: Date.now() + HOUR_MS });
}

function cutAlone(client: StormClient, afterMs: number): void {
  setTimeout(() => {
    if (!storming) return;
    if (client.cut()) {
      cuts += 1;
      setTimeout(
        () => {
          client.connect();
        },
        DOWN_MS * (0.75 + Math.random() / 2),
      );
    }
    cutAlone(client, DOWN_MS + plan.upMs * (0.75 + Math.random() / 2));
  }, afterMs);
}

function cutTogether(afterMs: number): void {
  setTimeout(() => {
    if (!storming) return;
    const away = clients.filter(client => client.cut());
    cuts += away.length;
    setTimeout(() => {
      for (const client of away) client.connect();
    }, DOWN_MS);
    cutTogether(plan.upMs);
  }, afterMs);
}

async function settle(sentAt: number[], ms: number): Promise<StormVerdict & { readonly cuts: number }> {
  storming = false;
  const deadline = now() + ms;
  const complete = (): boolean => clients.every(({ seqs }) => new Set(seqs).size >= sentAt.length);
  while (!complete() && now() < deadline) await new Promise(resolve => setTimeout(resolve, 100));
  // What would come twice has now the time to.
  await new Promise(resolve => setTimeout(resolve, 500));
  const verdict = judgeStorm(
    sentAt,
    clients.map(client => client.notes()),
  );
  for (const client of clients) client.end();
  return { ...verdict, cuts };
}

const answers: StormClients = {
  connect,
  storm: () => {
    storming = true;
    if (plan.cuts === 'at-once') cutTogether(plan.upMs / 2);
    else if (plan.cuts === 'spread') for (const client of clients) cutAlone(client, 2_000 + plan.upMs * Math.random());
  },
  settle,
};
answerParent(answers, () => undefined);
