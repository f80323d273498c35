/**
 * A process with the clients of `send-to-ack`: each socket posts into its own conversation, the next message when the
 * last one is acked. Every run has new conversations, of the length that conversations have.
 */
import { answerParent } from './child-process.ts';
import { percentile } from './stats.ts';
import { WireSocket, type WireAddress } from './wire-socket.ts';

export interface RunFigures {
  readonly acks: number;
  readonly seconds: number;
  /** Of the times from a send to its ack, in milliseconds. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export type SendToAckClients = {
  connect(system: string, address: WireAddress, sockets: number): Promise<void>;
  /** Starts a conversation a socket. */
  prepare(system: string): Promise<void>;
  run(system: string, ms: number): Promise<RunFigures>;
};

const TEXT = 'I built the vanilla kernel and it panics on boot: it does not recognise its root file system. '.repeat(2);
const ACK = Buffer.from('{"op":"ack"');
const HELLO = Buffer.from('{"op":"hello"');
const groups = new Map<string, Client[]>();
let conversations = 0;

class Client {
  private readonly socket: WireSocket;
  private acked: () => void = () => undefined;
  private room = '';
  private sent = 0;

  private constructor(socket: WireSocket) {
    this.socket = socket;
    socket.onText = payload => {
      if (!payload.subarray(0, ACK.length).equals(ACK)) throw new Error(`No ack but ${payload.toString()}`);
      this.acked();
    };
  }

  static async open(address: WireAddress): Promise<Client> {
    let greeted: () => void = () => undefined;
    const hello = new Promise<void>(resolve => (greeted = resolve));
    const socket = await WireSocket.open(address, payload => {
      if (payload.subarray(0, HELLO.length).equals(HELLO)) greeted();
    });
    await hello;
    return new Client(socket);
  }

  private send(command: string, data: object): void {
    const id = `command-${this.sent++}`;
    this.socket.sendText(JSON.stringify({ op: 'send', id, room: this.room, command, data }));
  }

  start(): Promise<void> {
    this.room = `conversation:bench-${++conversations}`;
    return new Promise(resolve => {
      this.acked = resolve;
      this.send('StartConversation', { channel: 'web' });
    });
  }

  /** Until then; what is in flight then is waited for. Latencies are put into `latencies`. */
  post(until: number, latencies: number[]): Promise<void> {
    return new Promise(resolve => {
      let sentAt = performance.now();
      this.acked = () => {
        const now = performance.now();
        latencies.push(now - sentAt);
        if (now >= until) {
          resolve();
          return;
        }
        sentAt = now;
        this.send('PostMessage', { text: TEXT });
      };
      this.send('PostMessage', { text: TEXT });
    });
  }
}

function clientsOf(system: string): readonly Client[] {
  const clients = groups.get(system);
  if (!clients) throw new Error(`Nobody is connected to ${system}.`);
  return clients;
}

const answers: SendToAckClients = {
  connect: async (system, address, sockets) => {
    groups.set(system, await Promise.all(Array.from({ length: sockets }, () => Client.open(address))));
  },
  prepare: async system => {
    await Promise.all(clientsOf(system).map(client => client.start()));
  },
  run: async (system, ms) => {
    const latencies: number[] = [];
    const started = performance.now();
    await Promise.all(clientsOf(system).map(client => client.post(started + ms, latencies)));
    const seconds = (performance.now() - started) / 1_000;
    latencies.sort((a, b) => a - b);
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map(share => percentile(latencies, share));
    return { acks: latencies.length, seconds, p50: p50 ?? NaN, p95: p95 ?? NaN, p99: p99 ?? NaN };
  },
};
answerParent(answers, () => undefined);
