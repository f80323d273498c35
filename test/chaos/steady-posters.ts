/** Somebody who posts at a steady rate over one WebSocket, whatever the answers take, in rooms of its own by turns. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';
import type { Frame } from '../support/wire-client.ts';

const BEAT_MS = 20;
const SETTLE_MS = 60_000;

export interface SteadyOptions {
  readonly gatewayUrl: string;
  readonly token: string;
  readonly name: string;
  readonly rooms: number;
  readonly perSecond: number;
}

/** What was acked in a room. */
export interface PostedRoom {
  readonly conversation: string;
  readonly visitor: string;
  posts: number;
  lastRev: number;
  position: string;
}

export class SteadyPoster {
  /** Posts that were acked. */
  posts = 0;
  /** Of the highest ack; '0': none yet. */
  position = '0';
  readonly refusals: string[] = [];
  /** From a frame's sending to its ack, of posts, in ms. */
  readonly ackMs: number[] = [];
  readonly rooms: readonly PostedRoom[];
  private readonly options: SteadyOptions;
  private readonly unacked = new Map<
    string,
    { readonly room: PostedRoom; readonly sentMs: number; readonly posts: number }
  >();
  private socket: WebSocket | undefined;
  private composed = 0;
  private beat: NodeJS.Timeout | undefined;

  constructor(options: SteadyOptions) {
    this.options = options;
    this.rooms = Array.from({ length: options.rooms }, (_, i) => ({
      ...{ conversation: `${options.name}.${i}`, visitor: `${options.name}-visitor-${i}` },
      ...{ posts: 0, lastRev: -1, position: '0' },
    }));
  }

  /** Resolves once all rooms are begun and the posts flow. */
  async begin(): Promise<void> {
    const { gatewayUrl, token } = this.options;
    const socket = new WebSocket(gatewayUrl, ['verbatim.v1'], { headers: { Authorization: `Bearer ${token}` } });
    this.socket = socket;
    socket.on('message', (data: Buffer) => {
      this.receive(JSON.parse(data.toString('utf8')) as Frame);
    });
    socket.on('close', code => {
      if (this.unacked.size > 0) this.refusals.push(`the connection ended with ${code}`);
    });
    await once(socket, 'open');
    for (const room of this.rooms) this.send(room, 'StartConversation', { channel: 'web', visitor: room.visitor });
    await this.settled();
    const begunMs = performance.now();
    const before = this.composed;
    this.beat = setInterval(() => {
      const due = ((performance.now() - begunMs) / 1_000) * this.options.perSecond;
      while (this.composed - before < due) this.post();
    }, BEAT_MS);
  }

  /** Posts no more; resolves once every post is acked. */
  async end(): Promise<void> {
    clearInterval(this.beat);
    await this.settled();
    this.socket?.close();
  }

  private async settled(): Promise<void> {
    const deadlineMs = performance.now() + SETTLE_MS;
    while (this.unacked.size > 0) {
      if (performance.now() > deadlineMs) throw new Error(`${this.unacked.size} sends were not answered.`);
      await delay(BEAT_MS);
    }
  }

  private post(): void {
    const room = this.rooms[this.composed % this.rooms.length];
    if (room !== undefined) this.send(room, 'PostMessage', { text: `post ${this.composed} in ${room.conversation}` });
  }

  private send(room: PostedRoom, command: string, data: object): void {
    this.composed += 1;
    const id = `${this.options.name}-${this.composed}`;
    this.unacked.set(id, { room, sentMs: performance.now(), posts: command === 'PostMessage' ? 1 : 0 });
    this.socket?.send(JSON.stringify({ op: 'send', id, room: `conversation:${room.conversation}`, command, data }));
  }

  private receive(frame: Frame): void {
    if (frame.op !== 'ack' && frame.op !== 'nack') return;
    const id = String(frame.id);
    const sent = this.unacked.get(id);
    if (sent === undefined) return;
    this.unacked.delete(id);
    if (frame.op === 'nack') {
      this.refusals.push(JSON.stringify(frame));
      return;
    }
    const { room, sentMs, posts } = sent;
    const position = String(frame.position);
    if (posts > 0) this.ackMs.push(performance.now() - sentMs);
    this.posts += posts;
    room.posts += posts;
    room.lastRev = Math.max(room.lastRev, Number(frame.last));
    if (BigInt(position) > BigInt(room.position)) room.position = position;
    if (BigInt(position) > BigInt(this.position)) this.position = position;
  }
}
