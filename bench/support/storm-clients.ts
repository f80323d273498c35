/**
 * A process with a part of the clients of one system of `reconnect-storm`: raw sockets that are cut, come back, say where
 * they were, and note down what reaches them and when. What they cost every system waits for alike, so it is as little as
 * can be: nothing is parsed that need not be.
 */
import { signToken } from '../../src/auth/tokens.ts';
import { answerParent } from './child-process.ts';
import { judgeStorm, type StormNotes, type StormVerdict } from '../../test/chaos/storm-checker.ts';
import { visitorOf } from './storm-rooms.ts';
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
  /** So many of the clients are the visitor of their room (`visitorOf`), all others agents. Default: none. */
  readonly visitors?: number;
  /** Each at a time of its own, or all in the same turn. */
  readonly cuts: 'spread' | 'at-once' | 'none';
  /** Each connection lives about so long. */
  readonly upMs: number;
}

/** Clients of a plan by their ordinals, `end` exclusive. */
export interface StormPart {
  readonly first: number;
  readonly end: number;
}

export type StormClients = {
  /** Resolves when all are in. */
  connect(plan: StormPlan, part: StormPart): Promise<void>;
  /** Cuts begin: those of all processes are counted from `at`, ms since the machine's epoch. */
  storm(at: number): void;
  /** Cuts end; resolves once every broadcast has reached everybody, or `ms` have passed. */
  settle(sentAt: number[], ms: number): Promise<StormVerdict & { readonly cuts: number }>;
};

/** Each that is cut is away about so long. */
const DOWN_MS = 2_000;
const RETRY_MS = 300;
const HOUR_MS = 3_600_000;
const CONNECTING_AT_ONCE = 50;
/** What stands before a client's next cursor in whatever brings or moves it. */
const UP_TO = '"upTo":';

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
        const kind = text.slice(7, 13);
        if (kind === 'error"') throw new Error(text);
        // It stands before the events, whose texts are anybody's.
        const upTo = kind === 'events' || kind === 'caught' ? text.indexOf(UP_TO) : -1;
        if (upTo >= 0) after = Number.parseInt(text.slice(upTo + UP_TO.length, upTo + UP_TO.length + 17), 10);
        if (kind === 'caught') entered();
        return undefined;
      },
    };
  }
  if (system === 'ws') {
    let after = -1;
    return {
      hello: () => `{"after":${after}}`,
      heard: text => {
        // `{"seq":17,…`
        after = Number.parseInt(text.slice(7, 24), 10);
        return undefined;
      },
    };
  }
  let pid = '';
  let offset = '';
  return {
    hello: () => undefined,
    heard: (text, entered) => {
      const kind = text.slice(0, 2);
      if (kind.startsWith('0')) return pid === '' ? '40' : `40${JSON.stringify({ pid, offset })}`;
      if (text === '2') return '3';
      if (kind === '40') {
        ({ pid } = JSON.parse(text.slice(2)) as { pid: string });
        entered();
        // `42["event",{…},"offset"]`
      } else if (kind === '42') offset = text.slice(text.lastIndexOf('"', text.length - 3) + 1, -2);
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
    const { dialect } = this;
    const begun = now();
    this.socket = WireSocket.begin(this.address, {
      onText: payload => {
        const text = payload.toString('latin1');
        this.note(text);
        const reply = dialect.heard(text, entered);
        if (reply !== undefined) this.socket?.sendText(reply);
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

  /** A broadcast is known by its mark, `#17#`. */
  private note(text: string): void {
    for (let at = text.indexOf('#'); at >= 0; at = text.indexOf('#', at + 1)) {
      const end = text.indexOf('#', at + 1);
      this.seqs.push(Number(text.slice(at + 1, end)));
      this.arrivedAt.push(now());
      at = end;
    }
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

async function connect(given: StormPlan, { first: begin, end }: StormPart): Promise<void> {
  plan = given;
  cuts = 0;
  const ordinals = Array.from({ length: end - begin }, (_, i) => begin + i);
  const tokens = await Promise.all(ordinals.map(tokenOf));
  clients = ordinals.map((ordinal, i) => new StormClient(plan, ordinal, tokens[i]));
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
  const isVisitor = index < (plan.visitors ?? 0);
  const sub = isVisitor ? visitorOf(index % plan.rooms.length) : `agent-${index}`;
  const claims = { sub, tenant: 'default', role: isVisitor ? 'visitor' : 'agent', rooms: [] } as const;
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

/** At the same time in every process. */
function cutTogether(at: number): void {
  setTimeout(() => {
    if (!storming) return;
    const away = clients.filter(client => client.cut());
    cuts += away.length;
    setTimeout(
      () => {
        for (const client of away) client.connect();
      },
      at + DOWN_MS - now(),
    );
    cutTogether(at + plan.upMs);
  }, at - now());
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
  storm: at => {
    storming = true;
    if (plan.cuts === 'at-once') cutTogether(at + plan.upMs / 2);
    else if (plan.cuts === 'spread') for (const client of clients) cutAlone(client, 2_000 + plan.upMs * Math.random());
  },
  settle,
};
answerParent(answers, () => undefined);
