/** What every adapter of the socket port does (src/gateway/sockets.ts), over loopback, with `ws` and bare TCP as clients. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket as TcpSocket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { PortTakenError, type SendResult } from '../../src/gateway/sockets.ts';
import type { SocketAdapter } from '../support/socket-adapters.ts';
import { FRAME_BYTES, MESSAGE_BYTES, QUEUE_BYTES, SocketsHarness, soon } from '../support/sockets-harness.ts';

export function socketsContract({ name, listen, absent }: SocketAdapter): void {
  describe.skipIf(absent !== undefined)(`sockets on ${name}`, () => {
    const harness = new SocketsHarness(listen);
    const { served } = harness;

    afterEach(() => harness.close());

    test('tells what came with the upgrade, and no compression is agreed on', async () => {
      const server = await harness.serve();
      const headers = { authorization: 'Bearer a.b.c', origin: 'https://page.test' };
      const client = harness.dial(server, ['verbatim.v1', 'bearer.x.y_-z'], headers);
      await soon(() => client.socket.readyState === WebSocket.OPEN, 'the upgrade');
      expect(served[0]?.upgrade).toEqual({
        ...{ path: '/v1/socket', protocols: ['verbatim.v1', 'bearer.x.y_-z'], remoteAddress: '127.0.0.1' },
        ...headers,
      });
      expect(client.socket.extensions).toBe('');
      harness.dial(server);
      await soon(() => served.length === 2, 'the second');
      expect(served[1]?.upgrade).toMatchObject({ authorization: undefined, origin: undefined });
    });

    test.each([
      ['the one that is wanted, wherever it stands', ['other.v9', 'verbatim.v1'], 'verbatim.v1'],
      ['else the first', ['other.v9', 'other.v8'], 'other.v9'],
      ['none where none is offered', [], ''],
    ])('answers a subprotocol: %s', async (_what, offered, answered) => {
      const client = harness.dial(await harness.serve(), offered);
      await soon(() => client.socket.readyState === WebSocket.OPEN, 'the upgrade');
      expect(client.socket.protocol).toBe(answered);
    });

    test('other paths are 404, upgrades too, and the path without an upgrade is 426', async () => {
      const server = await harness.serve();
      const base = `127.0.0.1:${server.port}`;
      const status = async (path: string) => (await fetch(`http://${base}${path}`)).status;
      expect([await status('/'), await status('/v1/socket'), await status('/v1/socket/x')]).toEqual([404, 426, 404]);
      const other = new WebSocket(`ws://${base}/v2/socket`, ['verbatim.v1']);
      const [error] = (await once(other, 'error')) as [Error];
      expect(error.message).toContain('404');
      expect(served).toEqual([]);
    });

    test('text comes as it was sent, with its size in bytes; binary and oversize come as undefined', async () => {
      const { client, end } = await harness.pair();
      const text = 'Grüße, 世界 👋🏽';
      client.socket.send(text);
      client.socket.send(Buffer.from(text));
      client.socket.send('x'.repeat(FRAME_BYTES));
      client.socket.send('x'.repeat(FRAME_BYTES + 1));
      client.socket.send('y'.repeat(MESSAGE_BYTES));
      client.socket.send('', { fin: false });
      client.socket.send('in ', { fin: false });
      client.socket.send('pieces', { fin: true });
      await soon(() => end.messages.length === 6, 'six messages');
      const size = Buffer.byteLength(text);
      expect(end.messages).toEqual([
        { data: text, size },
        { data: undefined, size },
        { data: 'x'.repeat(FRAME_BYTES), size: FRAME_BYTES },
        { data: undefined, size: FRAME_BYTES + 1 },
        { data: undefined, size: MESSAGE_BYTES },
        { data: 'in pieces', size: 9 },
      ]);
    });

    test.each<[string, (socket: WebSocket) => void]>([
      ['a message above the bound', socket => socket.send('x'.repeat(MESSAGE_BYTES + 1))],
      ['pieces that add up to one', socket => { for (let i = 0; i < 11; i++) socket.send('x'.repeat(2_000), { fin: false }); }], // prettier-ignore
      ['a text that is not UTF-8', socket => socket.send(Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), { binary: false })],
      [
        'bytes that are no frame',
        socket => (socket as unknown as { _socket: TcpSocket })._socket.write('\xff\xff\xff'),
      ],
    ])('%s ends that socket alone, as a cut does', async (_what, misbehave) => {
      const { client, end, server } = await harness.pair();
      const other = harness.dial(server);
      await soon(() => served.length === 2 && other.socket.readyState === WebSocket.OPEN, 'the other socket');
      misbehave(client.socket);
      await soon(() => client.closedWith !== undefined && end.closes.length > 0, 'the end');
      expect([client.closedWith, end.closes, end.messages]).toEqual([1006, [1006], []]);
      served[1]?.socket.send('still here');
      await soon(() => other.texts.length === 1, 'the other one’s text');
      expect(served[1]?.closes).toEqual([]);
    });

    test('sends strings and bytes of every length class, in order, and leaves shared bytes as they are', async () => {
      const server = await harness.serve();
      const [ann, bob] = [harness.dial(server), harness.dial(server)];
      await soon(() => served.length === 2, 'both');
      const frames = [0, 1, 125, 126, 127, 65_535, 65_536, 200_000].map(length => 'z'.repeat(length));
      const bytes = frames.map(frame => Buffer.from(frame));
      for (const one of [...bytes, ...frames, 'Grüße 👋🏽']) for (const { socket } of served) socket.send(one);
      const expected = [...frames, ...frames, 'Grüße 👋🏽'];
      await soon(() => ann.texts.length === expected.length && bob.texts.length === expected.length, 'all frames');
      expect(ann.texts).toEqual(expected);
      expect(bob.texts).toEqual(expected);
      expect(bytes.map(String)).toEqual(frames);
    });

    test('GW-9: what the kernel takes is `sent`; then `queued` up to the bound, and `dropped` leaves no trace', async () => {
      const { client, end } = await harness.stalled();
      const frames: string[] = [];
      const results: SendResult[] = [];
      for (let i = 0; results.at(-1) !== 'dropped'; i++) {
        const frame = `${i} `.padEnd(50_000, 'x');
        results.push(end.socket.send(Buffer.from(frame)));
        if (results.at(-1) !== 'dropped') frames.push(frame);
        expect(end.socket.queuedBytes()).toBeLessThanOrEqual(QUEUE_BYTES + 10 * i);
        if (i % 10 === 0) await turn();
      }
      expect(results[0]).toBe('sent');
      expect(results.indexOf('queued')).toBeGreaterThan(0);
      expect(end.socket.queuedBytes()).toBeGreaterThan(QUEUE_BYTES - 60_000);
      expect(end.socket.send('small enough')).toBe('queued');
      const drainsBefore = end.drains;
      client.socket.resume();
      await soon(() => client.texts.length === frames.length + 1, 'all that was accepted');
      expect(client.texts).toEqual([...frames, 'small enough']);
      await soon(() => end.socket.queuedBytes() === 0 && end.drains > drainsBefore, 'the drain');
      expect(end.socket.send('again')).toBe('sent');
    });

    test('GW-9: a frame above the bound goes into an empty queue, and nothing behind it until it has drained', async () => {
      const { client, end } = await harness.stalled();
      const large = Buffer.from('L'.repeat(8 * QUEUE_BYTES));
      expect(end.socket.send(large)).toBe('queued');
      expect(end.socket.send('x')).toBe('dropped');
      client.socket.resume();
      await soon(() => end.socket.queuedBytes() === 0, 'the drain');
      expect(end.drains).toBeGreaterThan(0);
      await soon(() => end.socket.send('y') === 'sent', 'room again');
      await soon(() => client.texts.length === 2, 'both');
      expect(client.texts.map(({ length }) => length)).toEqual([8 * QUEUE_BYTES, 1]);
    });

    test('GW-9: a short queue drains too, and says so', async () => {
      const { client, end } = await harness.stalled();
      while (end.socket.send(Buffer.alloc(100_000, 'x')) !== 'queued') await turn();
      const queued = end.socket.queuedBytes();
      expect(queued).toBeGreaterThan(0);
      expect(queued).toBeLessThan(120_000);
      client.socket.resume();
      await soon(() => end.drains > 0 && end.socket.queuedBytes() === 0, 'the drain');
    });

    test('GW-9: bytes that the kernel takes of one large frame show in the queue before all of it is gone', async () => {
      const { client, end } = await harness.stalled();
      end.socket.send(Buffer.alloc(20 * QUEUE_BYTES, 'x'));
      const seen = new Set([end.socket.queuedBytes()]);
      client.socket.resume();
      await soon(() => seen.add(end.socket.queuedBytes()).has(0), 'the drain');
      expect(seen.size).toBeGreaterThan(3);
      const sorted = [...seen].sort((a, b) => b - a);
      expect([...seen]).toEqual(sorted);
    });

    test('a ping is answered by the client, and the client’s by the adapter', async () => {
      const { client, end } = await harness.pair();
      end.socket.ping();
      await soon(() => end.pongs === 1 && client.pings === 1, 'the pong');
      const pong = once(client.socket, 'pong');
      client.socket.ping('payload');
      expect(String((await pong)[0])).toBe('payload');
      expect(end.messages).toEqual([]);
    });

    test.each([4_001, 4_500])('end flushes what is queued, then closes with %i, and tells so at once', async code => {
      const { client, end } = await harness.stalled();
      let accepted = 0;
      while (end.socket.send(Buffer.from(`${accepted} `.padEnd(50_000, 'x'))) !== 'dropped') {
        accepted += 1;
        if (accepted % 10 === 0) await turn();
      }
      end.socket.end(code, 'because');
      expect(end.closes).toEqual([code]);
      expect(end.socket.send('late')).toBe('dropped');
      expect(end.socket.queuedBytes()).toBe(0);
      end.socket.ping();
      end.socket.end(4_000, 'again');
      client.socket.resume();
      await soon(() => client.closedWith !== undefined, 'the close');
      expect([client.closedWith, client.reason]).toEqual([code, 'because']);
      expect(client.texts.map(text => Number(text.split(' ')[0]))).toEqual(
        Array.from({ length: accepted }, (_, i) => i),
      );
      expect([end.closes, end.toldAfterTheEnd]).toEqual([[code], 0]);
    });

    test('what a client says after the end of its socket is not heard', async () => {
      const { client, end } = await harness.stalled();
      end.socket.end(4_001, '');
      client.socket.send('too late');
      client.socket.resume();
      await soon(() => client.closedWith !== undefined, 'the close');
      expect([end.messages, end.closes, end.toldAfterTheEnd]).toEqual([[], [4_001], 0]);
    });

    test('terminate cuts at once; a second one, and an end after it, change nothing', async () => {
      const { client, end } = await harness.pair();
      end.socket.terminate();
      end.socket.terminate();
      end.socket.end(4_001, '');
      expect([end.closes, end.socket.send('x'), end.socket.queuedBytes()]).toEqual([[1006], 'dropped', 0]);
      await soon(() => client.closedWith !== undefined, 'the cut');
      expect([client.closedWith, end.toldAfterTheEnd]).toEqual([1006, 0]);
    });

    test('terminate after end cuts a client that does not read', async () => {
      const { client, end } = await harness.stalled();
      while (end.socket.send(Buffer.alloc(50_000, 'x')) !== 'dropped') await turn();
      end.socket.end(4_002, '');
      end.socket.terminate();
      client.socket.resume();
      await soon(() => client.closedWith !== undefined, 'the cut');
      expect(end.closes).toEqual([4_002]);
    });

    test('ends and cuts from within a message and from within open are told once', async () => {
      const { client, end } = await harness.pair();
      end.onMessage = () => {
        end.socket.send('an answer');
        end.socket.end(4_500, 'enough');
      };
      client.socket.send('one');
      client.socket.send('two');
      await soon(() => client.closedWith !== undefined, 'the close');
      expect([client.texts, client.closedWith, end.closes]).toEqual([['an answer'], 4_500, [4_500]]);
      expect(end.messages).toHaveLength(1);

      const ended = await harness.serve({
        open: (socket, upgrade) => {
          socket.end(4_506, 'no');
          return harness.end(socket, upgrade);
        },
      });
      const refused = harness.dial(ended);
      await soon(() => refused.closedWith !== undefined, 'the refusal');
      expect([refused.closedWith, served.at(-1)?.closes, served.at(-1)?.toldAfterTheEnd]).toEqual([4_506, [4_506], 0]);
    });

    test('a client that closes, vanishes or half-closes is told once, with its code or 1006', async () => {
      const server = await harness.serve();
      const [leaves, vanishes, halves] = [harness.dial(server), harness.dial(server), harness.dial(server)];
      await soon(() => served.length === 3 && halves.socket.readyState === WebSocket.OPEN, 'all');
      leaves.socket.close(4_999, 'bye');
      await soon(() => served.some(({ closes }) => closes.includes(4_999)), 'the close');
      vanishes.socket.terminate();
      await soon(() => served.filter(({ closes }) => closes.length === 1).length === 2, 'the cut');
      (halves.socket as unknown as { _socket: TcpSocket })._socket.end();
      await soon(() => served.every(({ closes }) => closes.length === 1), 'the half close');
      expect(served.map(({ closes }) => closes[0]).sort()).toEqual([1006, 1006, 4_999]);
      await soon(() => leaves.closedWith === 4_999, 'the answer to the close');
      expect(served.every(({ toldAfterTheEnd }) => toldAfterTheEnd === 0)).toBe(true);
    });

    test('a connection that says nothing of HTTP, or half of it, harms nobody', async () => {
      const server = await harness.serve();
      (await harness.tcp(server)).end('\0\x01nonsense\r\n\r\n');
      (await harness.tcp(server)).write('GET /v1/socket HTTP/1.1\r\nHost:');
      (await harness.tcp(server)).end(
        'GET /v1/socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
      );
      const client = harness.dial(server);
      await soon(() => client.socket.readyState === WebSocket.OPEN, 'the upgrade');
      expect(served).toHaveLength(1);
    });

    test('stopAccepting leaves open sockets alone; close cuts them', async () => {
      const { client, end, server } = await harness.pair();
      server.stopAccepting();
      server.stopAccepting();
      const late = harness.dial(server);
      await soon(() => late.closedWith !== undefined, 'the refusal');
      end.socket.send('still here');
      await soon(() => client.texts.length === 1, 'the text');
      await server.close();
      await soon(() => client.closedWith !== undefined && end.closes.length === 1, 'the cut');
      expect([client.closedWith, end.closes]).toEqual([1006, [1006]]);
    });

    test('close also cuts sockets that were ended and never drained', async () => {
      const { client, end, server } = await harness.stalled();
      while (end.socket.send(Buffer.alloc(50_000, 'x')) !== 'dropped') await turn();
      end.socket.end(4_001, '');
      await server.close();
      client.socket.resume();
      await soon(() => client.closedWith !== undefined, 'the cut');
      expect(end.closes).toEqual([4_001]);
    });

    test('after close the port can be listened on again, as a restart does', async () => {
      const { port } = await harness.serve();
      await harness.close();
      const server = await harness.serve({ port });
      const client = harness.dial(server);
      await soon(() => client.socket.readyState === WebSocket.OPEN, 'the upgrade');
      await server.close();
      await harness.serve({ port });
    });

    test('a port that is taken is refused by name', async () => {
      const { port } = await harness.serve();
      await expect(harness.serve({ port })).rejects.toThrow(PortTakenError);
    });

    test.runIf(process.platform === 'linux')(
      'GW-11: a thousand connections find room to wait in while none is accepted: none has to try again a second later',
      async () => {
        const { port } = await harness.serve();
        const clients = Array.from({ length: 1_000 }, () => connect({ host: '127.0.0.1', port }));
        for (const client of clients) client.on('error', () => undefined);
        // Behind the connects of this turn, and before the next one, in which the server would accept.
        await new Promise<void>(resolve => {
          process.nextTick(resolve);
        });
        const deadline = performance.now() + 2_000;
        while (waitingAt(port) < clients.length && performance.now() < deadline);
        const waiting = waitingAt(port);
        for (const client of clients) client.destroy();
        expect(waiting).toBe(clients.length);
      },
    );
  });
}

/** Connections to a port of this machine that nobody has accepted yet, as the kernel has them. */
function waitingAt(port: number): number {
  const address = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local === address && state === '0A')
    .reduce((sum, [, , , , queues = '']) => sum + Number.parseInt(queues.split(':')[1] ?? '', 16), 0);
}
