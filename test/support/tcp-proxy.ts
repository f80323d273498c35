/** A TCP proxy between a client and a server that a test cuts, stalls, slows down or makes deaf in one direction. */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface TcpProxy {
  readonly port: number;
  /** Connections made to it so far. */
  readonly accepted: () => number;
  /** Open now. */
  readonly open: () => number;
  /** Destroys every connection. */
  cut(): void;
  /** From now on what the server says is thrown away (`eat`), or passed on (`pass`). */
  answers(mode: 'eat' | 'pass'): void;
  /** From now on what the server says is passed on so much later; 0: at once. */
  slow(ms: number): void;
  /** Refuses new connections, or takes them again. */
  refuse(refused: boolean): void;
  close(): Promise<void>;
}

export async function startTcpProxy(target: { readonly port: number }): Promise<TcpProxy> {
  let accepted = 0;
  let mode: 'eat' | 'pass' = 'pass';
  let refused = false;
  let slowMs = 0;
  const pairs = new Set<readonly [Socket, Socket]>();
  const server = createServer(client => {
    accepted += 1;
    if (refused) {
      client.destroy();
      return;
    }
    const upstream = connect(target.port, '127.0.0.1');
    const pair = [client, upstream] as const;
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of pair) socket.setNoDelay(true).on('error', end).on('close', end);
    client.pipe(upstream);
    // What comes behind something that is late is no earlier.
    let waiting = Promise.resolve();
    let late = 0;
    upstream.on('data', bytes => {
      if (mode !== 'pass') return;
      if (slowMs === 0 && late === 0) {
        client.write(bytes);
        return;
      }
      late += 1;
      const due = delay(slowMs, undefined, { ref: false });
      waiting = waiting
        .then(() => due)
        .then(() => {
          late -= 1;
          if (!client.destroyed) client.write(bytes);
        });
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const [client, upstream] of pairs) {
      client.destroy();
      upstream.destroy();
    }
    pairs.clear();
  };
  return {
    port: (server.address() as AddressInfo).port,
    accepted: () => accepted,
    open: () => pairs.size,
    cut,
    answers: wanted => {
      mode = wanted;
    },
    slow: ms => {
      slowMs = ms;
    },
    refuse: wanted => {
      refused = wanted;
    },
    close: async () => {
      cut();
      await new Promise(resolve => server.close(resolve));
    },
  };
}
