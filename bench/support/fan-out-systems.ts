/**
 * The systems that `fan-out` compares. Each is one server with one room, which everybody who connects is in; `send`
 * brings a burst of events to it in one turn of the event loop. All encode the same wire form of the same events.
 */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server as SocketIoServer } from 'socket.io';
import { WebSocketServer, type WebSocket } from 'ws';
import type { RecordedEvent } from '../../src/event-store/event-store.ts';
import { view } from '../../src/domain/conversation/view.ts';
import { plainCodec } from '../../test/support/plain-codec.ts';
import type { ConversationEvent } from '../../src/domain/conversation/events.ts';
import { createConversationSerializer } from '../../src/schemas/aggregate-serializers.ts';
import type { EventSerializer } from '../../src/schemas/event-serializer.ts';
import { startGateway, TENANT } from './gateway.ts';
import { StubEventStore } from './stub-event-store.ts';
import type { WireAddress } from './wire-socket.ts';

/** How a client comes to be in the room. */
export interface Door {
  readonly address: WireAddress;
  /** Said after the upgrade. */
  readonly says?: string;
  /** In the room once a frame holds this; else at once. */
  readonly ready?: string;
}

export interface FanOutSystem {
  readonly door: Door;
  send(burst: readonly RecordedEvent[]): Promise<void> | void;
  close(): Promise<void> | void;
}

export const SYSTEMS = {
  verbatim: () => verbatim('uwebsockets'),
  'verbatim-ws': () => verbatim('ws'),
  'uws-publish': () => bareUws('message-each'),
  'uws-publish-one-frame': () => bareUws('one-message'),
  ws,
  'socket-io': socketIo,
} satisfies Record<string, () => Promise<FanOutSystem>>;

export type SystemName = keyof typeof SYSTEMS;

const CONVERSATION = 'fan-out';
const ROOM = `conversation:${CONVERSATION}`;
/** Exactly once in each event, and nowhere else in a payload: what clients count. */
export const MARKER = '\u007f';
const TEXT_BYTES = 200;

/** Bursts of a conversation as its stream holds them. */
export class Conversation {
  private readonly serializer: EventSerializer<ConversationEvent>;
  private readonly template: Promise<RecordedEvent>;
  private next = 0n;

  constructor() {
    this.serializer = createConversationSerializer({ codec: plainCodec });
    this.template = this.first();
  }

  private async first(): Promise<RecordedEvent> {
    const text = `I built the vanilla kernel and it panics on boot. ${MARKER}`.padEnd(TEXT_BYTES, ' What now?');
    const [event] = await this.serializer.toEventData({
      stream: `conversation-${TENANT}.${CONVERSATION}`,
      events: [{ type: 'MessagePosted', data: { seq: 17, text, format: 'plain', attachments: [] } }],
      ids: [randomUUID()],
      envelope: {
        ...{ correlationId: randomUUID(), causationId: randomUUID(), tenant: TENANT },
        ...{ actor: { id: randomUUID(), role: 'visitor' }, commandId: randomUUID(), commandDigest: 'x'.repeat(43) },
        ...{ occurredAt: 1_700_000_000_000, origin: 'live' },
      },
      subjects: { visitor: CONVERSATION, author: CONVERSATION },
    });
    if (!event) throw new Error('The serializer gave no event.');
    const place = { stream: `conversation-${TENANT}.${CONVERSATION}`, revision: 0n, position: 0n, createdMs: 0 };
    return { ...event, ...place };
  }

  async burst(events: number): Promise<RecordedEvent[]> {
    const template = await this.template;
    return Array.from({ length: events }, () => {
      const revision = this.next++;
      return { ...template, id: randomUUID(), revision, position: revision };
    });
  }
}

/** Our gateway, whole, its live feed given the burst as the log would give it. */
async function verbatim(sockets: 'uwebsockets' | 'ws'): Promise<FanOutSystem> {
  const store = new StubEventStore();
  const { address, close } = await startGateway(store, sockets);
  const says = JSON.stringify({ op: 'subscribe', room: ROOM, live: true });
  return {
    door: { address, says, ready: '"op":"caught-up"' },
    send: burst => {
      store.feed(burst);
    },
    close,
  };
}

const serializer = createConversationSerializer({ codec: plainCodec });

async function wireForms(burst: readonly RecordedEvent[]): Promise<object[]> {
  return (await serializer.open(burst)).map(recorded => view(recorded, 'staff') ?? {});
}

/** What an application on bare uWebSockets would do: a native topic, one `publish` an event, or one for the burst. */
async function bareUws(form: 'message-each' | 'one-message'): Promise<FanOutSystem> {
  const uws = await import('uWebSockets.js');
  const app = uws.App().ws<object>('/*', {
    idleTimeout: 0,
    sendPingsAutomatically: false,
    maxBackpressure: 1_048_576,
    open: socket => void socket.subscribe(ROOM),
  });
  const port = await new Promise<number>((resolve, reject) => {
    app.listen('127.0.0.1', 0, listening => {
      if (listening === false) reject(new Error('Nothing can listen.'));
      else resolve(uws.us_socket_local_port(listening));
    });
  });
  return {
    door: { address: { port, path: '/' } },
    send: async burst => {
      const events = await wireForms(burst);
      if (form === 'one-message') app.publish(ROOM, JSON.stringify({ op: 'events', room: ROOM, events }));
      else for (const event of events) app.publish(ROOM, JSON.stringify(event));
    },
    close: () => void app.close(),
  };
}

async function ws(): Promise<FanOutSystem> {
  const http = createServer();
  const server = new WebSocketServer({ server: http, perMessageDeflate: false });
  const room = new Set<WebSocket>();
  server.on('connection', socket => {
    room.add(socket);
    socket.on('close', () => room.delete(socket));
  });
  const port = await listenOn(http);
  return {
    door: { address: { port, path: '/' } },
    send: async burst => {
      for (const event of await wireForms(burst)) {
        const text = JSON.stringify(event);
        for (const socket of room) socket.send(text);
      }
    },
    close: () => {
      server.close();
      http.close();
    },
  };
}

async function socketIo(): Promise<FanOutSystem> {
  const http = createServer();
  const server = new SocketIoServer(http, { transports: ['websocket'], pingInterval: 3_600_000, serveClient: false });
  server.on('connection', socket => void socket.join(ROOM));
  const port = await listenOn(http);
  return {
    // Packets of engine.io and socket.io: `40` connects to the main namespace, and answers with the socket's id.
    door: { address: { port, path: '/socket.io/?EIO=4&transport=websocket' }, says: '40', ready: '40{' },
    send: async burst => {
      for (const event of await wireForms(burst)) server.to(ROOM).emit('event', event);
    },
    close: () => server.close(),
  };
}

async function listenOn(http: ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve));
  return (http.address() as AddressInfo).port;
}
