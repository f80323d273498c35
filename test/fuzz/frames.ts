/**
 * Throws fuzzed frames at a served gateway, and beside them a conversation goes on between two witnesses, who must notice
 * nothing: every message acked, every one received, once and in order. The server must stand, say nothing is its own
 * fault, and not grow.
 */
import { expect } from 'vitest';
import { connectWire } from '../support/wire-client.ts';
import type { WireClient, WireEvent } from '../support/wire-client.ts';
import { startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import type { SocketAdapter } from '../support/socket-adapters.ts';
import { FuzzSocket, sendNonsense } from './fuzz-socket.ts';
import { mutateBytes, mutateValue, oddJson, oneIn, pick, randomBytes, randomJson, randomText } from './mutations.ts';
import type { Random } from './mutations.ts';

const ATTACKERS = 4;
/** Frames of one attacker between two looks at whether the server still answers. */
const BURST_FRAMES = 50;
/** One of so many frames is a large one, a framing error, one above what a message may have. */
const LARGE_EVERY = 500;
const NONSENSE_EVERY = 400;
const TOO_LARGE_EVERY = 4_000;
/** Beyond what the heap breathes: a leak of 1 KB a frame would be 80 MB at full scale. */
const GROWTH_BYTES_MAX = 96 * 1_048_576;
const WITNESS_ROOM = 'conversation:the-witnesses';

export interface FrameFuzzReport {
  readonly frames: number;
  /** What the server sent to the attackers. */
  readonly answers: number;
  /** Between the witnesses. */
  readonly messages: number;
  readonly grownBytes: number;
  /** How often attackers were thrown out, by close code. */
  readonly closeCodes: Readonly<Record<string, number>>;
}

export async function fuzzFrames(
  frames: number,
  randomOf: (name: string) => Random,
  sockets: SocketAdapter['name'],
): Promise<FrameFuzzReport> {
  const server = await startServer({
    environment: {
      SOCKETS: sockets,
      LOG_LEVEL: 'warn',
      BAD_FRAMES_PER_MINUTE_MAX: '200',
      REQUESTS_PER_SECOND_MAX: '5000',
    },
  });
  try {
    return await attack(server, frames, randomOf);
  } finally {
    await server.dispose();
  }
}

async function attack(
  server: ServerProcess,
  frames: number,
  randomOf: (name: string) => Random,
): Promise<FrameFuzzReport> {
  const witnesses = await Witnesses.meet(server);
  const closeCodes: Record<string, number> = {};
  let answers = 0;
  const share = Math.ceil(frames / ATTACKERS);
  const run = async (from: number, to: number): Promise<void> => {
    const attackers = Array.from({ length: ATTACKERS }, (_, i) =>
      attackOnce(server, i, to - from, randomOf(`frames-${i}-${from}`)),
    );
    let attacking = true;
    const attacked = Promise.all(attackers).finally(() => (attacking = false));
    do await witnesses.speak();
    while (attacking);
    for (const attacker of await attacked) {
      answers += attacker.answers;
      for (const [code, times] of attacker.closeCodes) closeCodes[code] = (closeCodes[code] ?? 0) + times;
    }
  };
  // What a server takes for good after its first load is no leak.
  const warm = Math.ceil(share / 5);
  await run(0, warm);
  const before = await residentBytes(server);
  await run(warm, share);
  const grownBytes = (await residentBytes(server)) - before;

  const messages = await witnesses.agree();
  expect(server.isRunning()).toBe(true);
  expect(server.output()).not.toContain('a frame failed');
  expect(grownBytes).toBeLessThan(GROWTH_BYTES_MAX);
  return { frames: share * ATTACKERS, answers, messages, grownBytes, closeCodes };
}

async function attackOnce(
  server: ServerProcess,
  attacker: number,
  frames: number,
  random: Random,
): Promise<{ readonly answers: number; readonly closeCodes: ReadonlyMap<number, number> }> {
  const role = pick(random, ['agent', 'supervisor', 'visitor', 'auditor', 'bot', 'service']);
  const rooms = Array.from({ length: 5 }, (_, i) => `conversation:fuzz-${i}`);
  const token = server.token(role, `attacker-${attacker}`, { rooms });
  let answers = 0;
  const socket = new FuzzSocket({
    url: server.gatewayUrl,
    token,
    onText: text => {
      answers += 1;
      if (text.includes('"code":"internal"')) throw new Error(`A frame was too much: ${text}`);
    },
  });
  for (let frame = 1; frame <= frames; frame += 1) {
    if (oneIn(random, NONSENSE_EVERY)) await sendNonsense(server.gatewayUrl, token, randomBytes(random, 300));
    else await sendFuzzed(socket, random, rooms);
    if (frame % BURST_FRAMES === 0) await socket.settle();
  }
  await socket.settle();
  await socket.close();
  return { answers, closeCodes: socket.closeCodes };
}

async function sendFuzzed(socket: FuzzSocket, random: Random, rooms: readonly string[]): Promise<void> {
  if (oneIn(random, TOO_LARGE_EVERY)) return socket.send('x'.repeat(2_200_000));
  if (oneIn(random, LARGE_EVERY)) return socket.send(`{"op":"send","data":"${'x'.repeat(100_000)}"}`);
  const frame = validFrame(random, rooms);
  switch (Math.floor(random() * 8)) {
    case 0:
      return socket.send(JSON.stringify(frame));
    case 1:
    case 2:
    case 3:
      return socket.send(JSON.stringify(mutateValue(random, frame)));
    case 4:
      return sendBytes(socket, random, mutateBytes(random, JSON.stringify(frame)));
    case 5:
      return socket.send(JSON.stringify(randomJson(random)));
    case 6:
      return socket.send(oddJson(random));
    default:
      if (oneIn(random, 3)) return socket.sendInFragments(JSON.stringify(frame), 1 + Math.floor(random() * 20));
      return oneIn(random, 2)
        ? socket.send(randomText(random, 200))
        : sendBytes(socket, random, randomBytes(random, 200));
  }
}

/** Seldom as text as they are: what is not UTF-8 ends the connection, and that is soon tried enough. */
function sendBytes(socket: FuzzSocket, random: Random, bytes: Uint8Array): Promise<void> {
  if (oneIn(random, 100)) return socket.send(bytes);
  return oneIn(random, 4) ? socket.send(bytes, { binary: true }) : socket.send(Buffer.from(bytes).toString('latin1'));
}

const COMMANDS: readonly (readonly [string, (random: Random) => object])[] = [
  ['StartConversation', () => ({ channel: 'web', attributes: { plan: 'gold' } })],
  ['PostMessage', random => ({ text: `message ${random()}`, replyTo: 0 })],
  ['EditMessage', () => ({ seq: 0, text: 'x' })],
  ['RedactMessage', () => ({ seq: 0 })],
  ['AddNote', () => ({ text: 'x' })],
  ['AddTag', random => ({ tag: `t${Math.floor(random() * 50)}` })],
  ['SetAttributes', () => ({ attributes: { a: 'b' }, remove: ['plan'] })],
  ['QueueConversation', () => ({ queue: 'q' })],
  ['TransferConversation', () => ({ to: { queue: 'q' }, reason: 'r' })],
  ['SnoozeConversation', () => ({ until: '2030-01-01T00:00:00Z' })],
  ['ResolveConversation', () => ({})],
  ['ReopenConversation', () => ({ reason: 'r' })],
  ['RateConversation', () => ({ score: 5 })],
];

function validFrame(random: Random, rooms: readonly string[]): object {
  const room = pick(random, rooms);
  const ref = oneIn(random, 2) ? { ref: `r${Math.floor(random() * 1_000)}` } : {};
  const [command, data] = pick(random, COMMANDS);
  return pick(random, [
    { op: 'subscribe', room, ...ref, after: Math.floor(random() * 10) - 1 },
    { op: 'subscribe', room, ...ref, tail: Math.floor(random() * 10) },
    { op: 'subscribe', room, ...ref, live: true },
    { op: 'unsubscribe', room, ...ref },
    { op: 'history', room, ...ref, before: Math.floor(random() * 20), limit: 1 + Math.floor(random() * 20) },
    { op: 'send', room, ...ref, id: `c${Math.floor(random() * 1e6)}`, command, data: data(random) },
    { op: 'typing', room, on: true },
    { op: 'read', room, seq: Math.floor(random() * 5) },
    { op: 'delivered', room, seq: Math.floor(random() * 5) },
    { op: 'refresh', ...ref, token: 'x.y.z' },
    { op: 'auth', ...ref, token: 'x.y.z' },
  ]);
}

/** Two who talk to each other all the while: one posts, the other reads. */
class Witnesses {
  private readonly speaker: WireClient;
  private readonly listener: WireClient;
  private said = 0;

  private constructor(speaker: WireClient, listener: WireClient) {
    this.speaker = speaker;
    this.listener = listener;
  }

  static async meet({ gatewayUrl, token }: ServerProcess): Promise<Witnesses> {
    const speaker = await connectWire(gatewayUrl, token('agent', 'speaker'));
    const listener = await connectWire(gatewayUrl, token('agent', 'listener'));
    listener.send({ op: 'subscribe', room: WITNESS_ROOM, after: -1 });
    await listener.nextOf('caught-up');
    const start = { command: 'StartConversation', data: { channel: 'web' } };
    speaker.send({ op: 'send', id: 'start', room: WITNESS_ROOM, ...start });
    await speaker.nextOf('ack');
    return new Witnesses(speaker, listener);
  }

  async speak(): Promise<void> {
    const id = `m${(this.said += 1)}`;
    const data = { text: `message ${this.said}` };
    this.speaker.send({ op: 'send', id, room: WITNESS_ROOM, command: 'PostMessage', data });
    expect(await this.speaker.nextOf('ack')).toMatchObject({ id, duplicate: false });
    // Well below what one socket may send a second.
    await new Promise(resolve => setTimeout(resolve, 30));
  }

  /** Gives how many messages went from one to the other, each once and in order. */
  async agree(): Promise<number> {
    const received: WireEvent[] = [];
    let cursor = -1;
    while (received.length <= this.said) {
      const frame = await this.listener.nextOf('events');
      expect(frame.after).toBe(cursor);
      cursor = frame.upTo as number;
      received.push(...(frame.events as WireEvent[]));
    }
    expect(received.map(({ rev }) => rev)).toEqual(Array.from({ length: this.said + 1 }, (_, rev) => rev));
    expect(received.slice(1).map(({ commandId }) => commandId)).toEqual(
      Array.from({ length: this.said }, (_, i) => `m${i + 1}`),
    );
    for (const client of [this.speaker, this.listener]) await client.close();
    return this.said;
  }
}

/** As the server measures itself. */
async function residentBytes({ httpUrl }: ServerProcess): Promise<number> {
  const text = await (await fetch(`${httpUrl}/metrics`)).text();
  const bytes = /^process_resident_memory_bytes (\S+)/m.exec(text)?.[1];
  expect(bytes).toBeDefined();
  return Number(bytes);
}
