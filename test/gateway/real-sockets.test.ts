/** The gateway on real sockets of each adapter over loopback, with `ws` as the client: what only a real socket can show. */
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { createTokenVerifier, signToken } from '../../src/auth/tokens.ts';
import { createConversationCommands } from '../../src/commands/conversation-commands.ts';
import { createTenantKeys } from '../../src/commands/derived-ids.ts';
import type { Claims } from '../../src/domain/claims.ts';
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts';
import type { GatewayLimits } from '../../src/gateway/limits.ts';
import { serverFrameSchema, type ServerFrame } from '../../src/gateway/server-frames.ts';
import { PortTakenError, type ListenSockets } from '../../src/gateway/sockets.ts';
import { systemTimers } from '../../src/gateway/timers.ts';
import { plainCodec } from '../support/plain-codec.ts';
import { createConversationSerializer } from '../../src/schemas/aggregate-serializers.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { MemoryEventStore } from '../support/memory-event-store.ts';
import { SOCKET_ADAPTERS } from '../support/socket-adapters.ts';
import { STAFF_SECRET, SUPPORTED_CONVERSATION } from '../support/supported-conversation.ts';

const ROOM = 'conversation:1';
/** Of the some 290 bytes that a test here sends, in the 64 KB that Node reads at once. */
const FRAMES_A_READ_MAX = 230;
const secret = Buffer.from('a secret that only these tests know');
const clock = { now: () => Date.now() };
const opened: { close(): Promise<void> }[] = [];
const sockets: WebSocket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  for (const gateway of opened.splice(0)) await gateway.close();
});

interface Served {
  readonly gateway: Gateway;
  readonly url: string;
  post(text: string): Promise<bigint>;
  perform(part: typeof SUPPORTED_CONVERSATION): Promise<bigint>;
}

async function serveOn(listen: ListenSockets, port = 0, limits: Partial<GatewayLimits> = {}): Promise<Served> {
  const store = new MemoryEventStore();
  const serializer = createConversationSerializer({ codec: plainCodec });
  const keys = createTenantKeys({ rootSecret: new Uint8Array(32) });
  const commands = createConversationCommands({ store, serializer, keys, clock });
  let ids = 0;
  const gateway = await createGateway({
    ...{ host: '127.0.0.1', port, listen, store, serializer, commands, clock, timers: systemTimers },
    ...{ verifyToken: createTokenVerifier({ secret, clock }), log: 'the-log', logger: silentLogger },
    newId: () => `s${++ids}`,
    limits,
  });
  opened.push(gateway);
  const actor = { id: 'bob', role: 'agent' } as const;
  const handle = async (command: Parameters<typeof commands.handle>[0]['command']) =>
    (await commands.handle({ tenant: 'acme', id: '1', command, commandId: `c${++ids}`, actor })).last;
  await handle({ type: 'StartConversation', data: { channel: 'web' } });
  return {
    gateway,
    url: `ws://127.0.0.1:${gateway.port}/v1/socket`,
    post: text => handle({ type: 'PostMessage', data: { text } }),
    perform: async part => {
      let last = -1n;
      for (const [by, command] of part)
        ({ last } = await commands.handle({ tenant: 'acme', id: '2', command, commandId: `c${++ids}`, actor: by }));
      return last;
    },
  };
}

function token(more: Partial<Claims> = {}): Promise<string> {
  return signToken(secret, {
    sub: 'ann',
    tenant: 'acme',
    role: 'agent',
    rooms: [],
    expiresAt: Date.now() + 60_000,
    ...more,
  });
}

/** Frames as they come; `next` waits for one with this op. */
class Client {
  readonly socket: WebSocket;
  readonly frames: ServerFrame[] = [];
  closed: number | undefined;
  private wake: () => void = () => undefined;

  constructor(url: string, protocols: string[], headers: Record<string, string> = {}) {
    this.socket = new WebSocket(url, protocols, { headers });
    sockets.push(this.socket);
    this.socket.on('message', (data: Buffer) => {
      this.frames.push(serverFrameSchema.parse(JSON.parse(data.toString('utf8'))));
      this.wake();
    });
    this.socket.on('close', code => {
      this.closed = code;
      this.wake();
    });
    this.socket.on('error', () => undefined);
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>(resolve => (this.wake = resolve));
  }

  async next<Op extends ServerFrame['op']>(op: Op): Promise<Extract<ServerFrame, { op: Op }>> {
    const is = (frame: ServerFrame): frame is Extract<ServerFrame, { op: Op }> => frame.op === op;
    const from = this.taken;
    await this.until(() => this.frames.slice(from).some(is) || this.closed !== undefined);
    const at = this.frames.findIndex((frame, i) => i >= from && is(frame));
    const found = this.frames[at];
    if (!found || !is(found)) throw new Error(`closed with ${String(this.closed)} before ${op}`);
    this.taken = at + 1;
    return found;
  }
  private taken = 0;

  async end(): Promise<number> {
    await this.until(() => this.closed !== undefined);
    return this.closed ?? 0;
  }

  say(frame: object): void {
    this.socket.send(JSON.stringify(frame));
  }

  /** The last revision that frames which tile lead to. */
  covered(): number {
    return this.frames.reduce(
      (cursor, frame) => (frame.op === 'events' && frame.after === cursor ? frame.upTo : cursor),
      -1,
    );
  }

  revisions(): number[] {
    return this.frames.flatMap(frame => (frame.op === 'events' ? frame.events.map(({ rev }) => rev) : []));
  }
}

async function connected(url: string): Promise<Client> {
  const client = new Client(url, ['verbatim.v1'], { authorization: `Bearer ${await token()}` });
  await client.next('hello');
  return client;
}

async function subscribed(url: string): Promise<Client> {
  const client = await connected(url);
  client.say({ op: 'subscribe', room: ROOM });
  await client.next('caught-up');
  return client;
}

describe.for(SOCKET_ADAPTERS)('over a real socket of $name', ({ listen }) => {
  const serve = (port?: number, limits?: Partial<GatewayLimits>) => serveOn(listen, port, limits);

  test('a token comes in the header, as subprotocol, or in a first frame; the subprotocol is answered', async () => {
    const { url } = await serve();
    const header = new Client(url, ['verbatim.v1'], { authorization: `Bearer ${await token()}` });
    const protocol = new Client(url, ['verbatim.v1', `bearer.${await token()}`]);
    const frame = new Client(url, ['verbatim.v1']);
    await once(frame.socket, 'open');
    frame.say({ op: 'auth', token: await token() });
    for (const client of [header, protocol, frame]) {
      expect((await client.next('hello')).user).toBe('ann');
      expect(client.socket.protocol).toBe('verbatim.v1');
    }
  });

  test('bad, expired and missing tokens and other versions complete the upgrade and close with their code', async () => {
    const { url } = await serve();
    const headers = async (more: Partial<Claims>) => ({ authorization: `Bearer ${await token(more)}` });
    const forged = await signToken(Buffer.from('some other secret of enough bytes'), {
      ...{ sub: 'ann', tenant: 'acme', role: 'agent', rooms: [], expiresAt: Date.now() + 60_000 },
    });
    expect(await new Client(url, ['verbatim.v1'], { authorization: `Bearer ${forged}` }).end()).toBe(4501);
    expect(await new Client(url, ['verbatim.v1'], await headers({ expiresAt: Date.now() - 1_000 })).end()).toBe(4005);
    expect(await new Client(url, ['other.v9'], await headers({})).end()).toBe(4506);
    expect(await new Client(url, [], await headers({})).end()).toBe(4506);
  });

  test('other paths are 404, and the path without an upgrade 426', async () => {
    const { gateway } = await serve();
    const status = async (path: string) => (await fetch(`http://127.0.0.1:${gateway.port}${path}`)).status;
    expect([await status('/'), await status('/v1/socket')]).toEqual([404, 426]);
  });

  test('talks: subscribe, send, ack, events', async () => {
    const { url, post } = await serve();
    const ann = await subscribed(url);
    await post('hello');
    expect((await ann.next('events')).events[0]).toMatchObject({ rev: 1, data: { text: 'hello' } });
    ann.say({
      op: 'send',
      id: 'm-1',
      room: ROOM,
      command: 'PostMessage',
      data: { text: 'Grüße, 世界 \u0007 <b>&amp;</b> 👋🏽' },
    });
    expect(await ann.next('ack')).toMatchObject({ id: 'm-1', first: 2, duplicate: false });
    await ann.until(() => ann.revisions().includes(2));
    expect(JSON.stringify(ann.frames)).toContain('Grüße, 世界 \\u0007 <b>&amp;</b> 👋🏽');
  });

  test('GW-2, GW-3: over a whole supported conversation a visitor’s frames tile and have nothing of the staff’s', async () => {
    const { url, perform } = await serve();
    const room = 'conversation:2';
    const subscribe = async (claims: Partial<Claims>) => {
      const client = new Client(url, ['verbatim.v1', `bearer.${await token(claims)}`]);
      await client.next('hello');
      client.say({ op: 'subscribe', room });
      await client.next('caught-up');
      return client;
    };
    const vera = { sub: 'vera', role: 'visitor', rooms: [room] } as const;
    const [live, staff] = [await subscribe(vera), await subscribe({ sub: 'sue', role: 'supervisor' })];
    await perform(SUPPORTED_CONVERSATION.slice(0, -1));
    const late = await subscribe(vera);
    const head = Number(await perform(SUPPORTED_CONVERSATION.slice(-1)));
    for (const client of [live, late]) {
      expect(await client.next('unsubscribed')).toMatchObject({ code: 'forbidden' });
      expect(client.covered()).toBe(head);
      expect(JSON.stringify(client.frames)).not.toContain(STAFF_SECRET);
    }
    await staff.until(() => staff.covered() === head);
    expect(staff.revisions()).toEqual(Array.from({ length: head + 1 }, (_, i) => i));
    expect(JSON.stringify(staff.frames)).toContain(STAFF_SECRET);
  });

  test('malformed, binary and large frames are answered; one above 2 MB ends that socket alone', async () => {
    const { url, post } = await serve();
    const [ann, bob] = [await subscribed(url), await subscribed(url)];
    ann.socket.send('{"op":');
    ann.socket.send(Buffer.from('{"op":"auth"}'));
    ann.socket.send(JSON.stringify({ op: 'unsubscribe', room: 'x'.repeat(1_000_000) }));
    expect([await ann.next('error'), await ann.next('error'), await ann.next('error')]).toMatchObject([
      { code: 'bad-request' },
      { code: 'bad-request' },
      { code: 'too-large' },
    ]);
    ann.socket.send('x'.repeat(2_500_000));
    expect(await ann.end()).toBe(1006);
    await post('still there');
    await bob.until(() => bob.revisions().includes(1));
    expect(bob.closed).toBeUndefined();
  });

  test('invalid UTF-8 in a text frame ends that socket alone', async () => {
    const { url } = await serve();
    const [ann, bob] = [await connected(url), await connected(url)];
    ann.socket.send(Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), { binary: false });
    await ann.end();
    bob.say({ op: 'unsubscribe', room: ROOM });
    await bob.next('unsubscribed');
  });

  test('the twentieth bad frame closes with 4500, after its error', async () => {
    const { url } = await serve();
    const ann = await connected(url);
    for (let i = 0; i < 30; i++) ann.socket.send('{');
    expect(await ann.end()).toBe(4500);
    expect(ann.frames.filter(({ op }) => op === 'error')).toHaveLength(20);
  });

  const roomy = { requestsPerSecond: 1_000_000, framesWaiting: 1_000_000 };
  test.each([
    ['4002, because it cannot take its answers', 4002, roomy, 0],
    ['4002, because nothing drains', 4002, { ...roomy, queueBytes: 64_000_000, stalledMs: 1_000 }, 0],
    ['4500, within the handler of its frame', 4500, { ...roomy, queueBytes: 64_000_000 }, 20],
  ])(
    'GW-9: a client closed with %s still reads all that was queued, and then the code',
    async (_what, code, limits, bad) => {
      const { gateway, url } = await serve(0, limits);
      const ann = await connected(url);
      ann.socket.pause();
      const ref = 'r'.repeat(240);
      const asked = 30_000;
      for (let i = 0; i < asked; i++) ann.say({ op: 'unsubscribe', room: ROOM, ref: `${i} ${ref}` });
      for (let i = 0; i < bad; i++) ann.socket.send('{');
      while (gateway.stats().sockets > 0) await setTimeout(10);
      ann.socket.resume();
      expect(await ann.end()).toBe(code);
      const answered = ann.frames.flatMap(frame =>
        frame.op === 'unsubscribed' ? [Number(frame.ref?.split(' ')[0])] : [],
      );
      expect(answered.length).toBeGreaterThan(5_000);
      expect(answered).toEqual(answered.map((_, i) => i));
      // What came in one read with the bad frames may have been waiting for its turn.
      if (code === 4500) expect(answered.length).toBeGreaterThan(asked - FRAMES_A_READ_MAX);
    },
  );

  test('a port that is taken is refused by name', async () => {
    const { gateway } = await serve();
    await expect(serve(gateway.port)).rejects.toThrow(PortTakenError);
  });

  test('GW-12: drain tells, closes with 4001, and then nobody is accepted', async () => {
    const { gateway, url } = await serve();
    const ann = await subscribed(url);
    await gateway.drain(2_000);
    expect(ann.frames.at(-1)).toMatchObject({ op: 'drain' });
    expect(await ann.end()).toBe(4001);
    const refused = new Client(url, ['verbatim.v1']);
    expect(await refused.end()).toBe(1006);
  });
});
