import { expect, it } from 'vitest';
import { reconnectOften } from '../event-store/reconnects.ts';
import { connect, serveLog } from '../event-store/served-store.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { scaled } from './scale.ts';

it('an adapter that lost its connection a thousand times has lost nothing else', async () => {
  const warnings: string[] = [];
  process.on('warning', warning => warnings.push(warning.message));
  const log = await serveLog();
  const proxy = await startTcpProxy(log);
  const store = await connect(`esdb://127.0.0.1:${proxy.port}?tls=false`, { retriesMax: 50, random: () => 0 });
  await reconnectOften({ store, proxy, times: scaled(1_000, 60) });
  await store.close();
  await proxy.close();
  await log.dispose();
  expect(warnings).toEqual([]);
});
