/** Makes an adapter connect again and again, and holds that nothing of the connections before is left. */
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'vitest';
import type { EventStoreDb } from '../../src/event-store/event-store.eventstoredb.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import { Follower, newEvent, newStream, range } from './events.ts';

/** Before the first look: pools and caches fill up once. */
const WARM_UP_TIMES = 50;
const SETTLE_MS = 50;
/** The follower keeps what it saw, and the log and its node live in this process too. */
const HEAP_BYTES_MAX = 12 * 1_048_576;
const SOCKETS_MAX = 6;

/** Each time an append goes through, a subscription sees it, and the connection is cut. */
export async function reconnectOften({
  store,
  proxy,
  times,
}: {
  readonly store: EventStoreDb;
  readonly proxy: TcpProxy;
  readonly times: number;
}): Promise<void> {
  const stream = newStream();
  const follower = new Follower(signal => store.subscribeToStream(stream, { after: 'start', signal }));
  const reconnect = async (from: number, to: number): Promise<void> => {
    for (let i = from; i < to; i++) {
      const connections = proxy.accepted();
      await store.append(stream, [newEvent(i)], { expectedRevision: i === 0 ? 'no-stream' : BigInt(i - 1) });
      proxy.cut();
      await expect.poll(() => proxy.accepted() > connections, { interval: 1, timeout: 10_000 }).toBe(true);
    }
    await follower.until(seen => seen.events.length === to);
    await delay(SETTLE_MS);
  };
  await reconnect(0, WARM_UP_TIMES);
  const before = footprint();
  await reconnect(WARM_UP_TIMES, times);
  const after = footprint();
  expect(follower.revisions).toEqual(range(0, times));
  expect(proxy.accepted()).toBeGreaterThanOrEqual(times);
  expect(after.sockets).toBeLessThanOrEqual(before.sockets + SOCKETS_MAX);
  expect(after.heapBytes - before.heapBytes).toBeLessThan(HEAP_BYTES_MAX);
  await follower.stop();
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function footprint(): { sockets: number; heapBytes: number } {
  collectGarbage();
  const resources = process.getActiveResourcesInfo();
  return {
    sockets: resources.filter(name => name.startsWith('TCP')).length,
    heapBytes: process.memoryUsage().heapUsed,
  };
}
