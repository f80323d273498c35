/**
 * All clients of a soak in a process of their own: sockets that come, stay a while in some rooms, go and resume; some that
 * send, some that read slowly, some that scroll back; and callers over HTTP. Each checks that its frames tile.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { signToken } from '../../test/support/server-process.ts';
import { answerParent } from './child-process.ts';
import { SoakSocket } from './soak-socket.ts';
import type { SoakCounts } from './soak-socket.ts';
import { SoakRooms } from './soak-rooms.ts';
import { percentile } from './stats.ts';

export interface SoakPlan {
  readonly httpUrl: string;
  readonly gatewayUrl: string;
  readonly secret: string;
  readonly sockets: number;
  readonly rooms: number;
  readonly messagesPerSecond: number;
}

/** Since the last asking. */
export interface SoakSample extends SoakCounts {
  readonly open: number;
  readonly roomsMade: number;
  readonly httpAnswers: number;
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
}

const SENDERS_MAX = 50;
const STAY_MS = 60_000;
/** Of the sockets: those that read slowly, and those that scroll back. */
const SLOW_SHARE = 0.04;
const SCROLLING_SHARE = 0.02;
const TICK_MS = 100;
const OPENED_A_TICK = 20;
const HTTP_PAUSE_MS = 200;
const TOKEN_SECONDS = 6 * 3_600;
const TENANT = 'default';

let plan: SoakPlan;
let rooms: SoakRooms;
let ended = false;
let httpAnswers = 0;
const sockets = new Set<SoakSocket>();
const latencies: number[] = [];
const counts: SoakCounts = { acks: 0, nacks: 0, delivered: 0, resumes: 0, gaps: 0, histories: 0, lost: 0 };

function token(role: string, sub: string): string {
  return signToken(plan.secret, role, sub, { tenant: TENANT, expiresInSeconds: TOKEN_SECONDS });
}

function begin(given: SoakPlan): void {
  plan = given;
  rooms = new SoakRooms(plan.rooms);
  void populate();
  void send();
  void callHttp();
}

/** Keeps the number of sockets, a few new ones a tick; each stays for a random time. */
async function populate(): Promise<void> {
  for (let made = 0; !ended;) {
    for (let i = 0; i < OPENED_A_TICK && sockets.size < plan.sockets; i++) open(made++);
    await delay(TICK_MS);
  }
}

function open(made: number): void {
  const kind = Math.random();
  const socket = new SoakSocket({
    ...{ url: plan.gatewayUrl, rooms, counts, latencies },
    token: token('agent', `agent-${made % 500}`),
    isSlow: kind < SLOW_SHARE,
    isScrolling: kind > 1 - SCROLLING_SHARE,
    // Exponential, so that they come and go evenly from the first minute on.
    stayMs: -Math.log(1 - Math.random()) * STAY_MS,
    closed: () => sockets.delete(socket),
  });
  sockets.add(socket);
}

/** An open loop: what is due is sent, by any socket that may, whatever the server has answered so far. */
async function send(): Promise<void> {
  let sent = 0;
  const begunMs = performance.now();
  while (!ended) {
    await delay(10);
    const due = Math.floor(((performance.now() - begunMs) / 1_000) * plan.messagesPerSecond);
    const senders = [...sockets].filter(socket => socket.maySend()).slice(0, SENDERS_MAX);
    for (; sent < due && senders.length > 0; sent++) senders[sent % senders.length]?.post(rooms.toPost());
    // What was due while nobody was there is not made up for.
    if (senders.length === 0) sent = due;
  }
}

async function callHttp(): Promise<void> {
  const authorization = `Bearer ${token('supervisor', 'caller')}`;
  while (!ended) {
    await delay(HTTP_PAUSE_MS);
    const room = rooms.toRead();
    if (!room) continue;
    const path = Math.random() < 0.5 ? '' : '/events?limit=50';
    const answer = await fetch(`${plan.httpUrl}/v1/conversations/${room.conversation}${path}`, {
      headers: { authorization },
    });
    await answer.arrayBuffer();
    if (answer.ok) httpAnswers += 1;
  }
}

function sample(): SoakSample {
  const sorted = latencies.splice(0).sort((a, b) => a - b);
  const told = {
    ...counts,
    ...{ open: sockets.size, roomsMade: rooms.count(), httpAnswers },
    ...{ ackP50Ms: percentile(sorted, 0.5), ackP99Ms: percentile(sorted, 0.99) },
  };
  httpAnswers = 0;
  for (const name of Object.keys(counts) as (keyof SoakCounts)[]) counts[name] = 0;
  return told;
}

const answers = { begin, sample };
export type SoakClients = typeof answers;

answerParent(answers, () => {
  ended = true;
});
