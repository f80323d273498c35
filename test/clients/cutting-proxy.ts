/** A TCP proxy before the gateway that cuts connections at the test's word: at once, or after a request and before its answer. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface CuttingProxy {
  /** The gateway's URL, by way of this proxy. */
  readonly url: string;
  /** Connections it has taken so far. */
  connections(): number;
  /** Ends every connection as a lost network does: without a close frame. */
  cut(): void;
  /** The next thing a client says reaches the server; the answer does not reach the client. Resolves once that has happened. */
  loseNextAnswer(): Promise<void>;
  close(): Promise<void>;
}

export async function startCuttingProxy(gatewayUrl: string): Promise<CuttingProxy> {
  const target = new URL(gatewayUrl);
  const pairs = new Set<readonly [Socket, Socket]>();
  let taken = 0;
  let answerLost: (() => void) | undefined;
  const drop = (pair: readonly [Socket, Socket]): void => {
    if (!pairs.delete(pair)) return;
    const [client, upstream] = pair;
    client.resetAndDestroy();
    upstream.destroy();
  };
  const server = createServer(client => {
    taken += 1;
    const upstream = connect(Number(target.port), target.hostname);
    const pair = [client, upstream] as const;
    pairs.add(pair);
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on('error', () => drop(pair)).on('close', () => drop(pair));
    }
    upstream.on('data', chunk => client.write(chunk));
    client.on('data', chunk => {
      if (answerLost === undefined) {
        upstream.write(chunk);
        return;
      }
      const lost = answerLost;
      answerLost = undefined;
      upstream.removeAllListeners('data');
      client.resetAndDestroy();
      upstream.end(chunk, () => {
        drop(pair);
        lost();
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}${target.pathname}`,
    connections: () => taken,
    cut: () => {
      for (const pair of [...pairs]) drop(pair);
    },
    loseNextAnswer: () =>
      new Promise(resolve => {
        answerLost = resolve;
      }),
    close: async () => {
      for (const pair of [...pairs]) drop(pair);
      server.close();
      await once(server, 'close');
    },
  };
}
