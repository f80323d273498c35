/** What another node does reaches the tails of rooms through the log alone, here over the EventStoreDB adapter. */
import { expect, onTestFinished, test } from 'vitest';
import { createTenantKeys } from '../../src/commands/derived-ids.ts';
import { createTenantCommands, TENANT_STREAM_ID } from '../../src/commands/tenant-commands.ts';
import { createTenantSerializer } from '../../src/schemas/aggregate-serializers.ts';
import { createGatewayFixture } from '../support/gateway-fixture.ts';
import { plainCodec } from '../support/plain-codec.ts';
import { connect, serveLog } from '../event-store/served-store.ts';

const STREAM = 'conversation-acme.1';

test('GW-11: an erasure or truncation by another node leaves nothing in memory that may not be the log’s word any more', async () => {
  const log = await serveLog();
  onTestFinished(() => log.dispose());
  const [store, other] = [await connect(log.url), await connect(log.url)];
  onTestFinished(async () => {
    await store.close();
    await other.close();
  });
  const fixture = await createGatewayFixture({ store });
  onTestFinished(() => fixture.gateway.close());
  await fixture.conversation('1', 3);
  const tails = (): number => fixture.gateway.stats().tails;
  const remembered = async (sub: string): Promise<void> => {
    const pair = await fixture.connect({ sub });
    pair.say({ op: 'subscribe', room: 'conversation:1', after: -1 });
    await expect.poll(() => pair.of('caught-up').length, { timeout: 10_000 }).toBe(1);
    expect(tails()).toBe(1);
  };
  await remembered('ann');
  const serializer = createTenantSerializer({ codec: plainCodec });
  const keys = createTenantKeys({ rootSecret: new Uint8Array(32) });
  const tenants = createTenantCommands({ store: other, serializer, keys, clock: fixture.time });
  await tenants.handle({
    ...{ tenant: 'acme', id: TENANT_STREAM_ID, commandId: 'erase-1', actor: { id: 'sue', role: 'supervisor' } },
    command: { type: 'EraseSubject', data: { subject: 'somebody', reason: 'asked' } },
  });
  await expect.poll(tails, { timeout: 10_000 }).toBe(0);
  await remembered('bob');
  await other.setStreamMetadata(STREAM, { truncateBefore: 2n }, { expectedRevision: 'any' });
  await expect.poll(tails, { timeout: 10_000 }).toBe(0);
});
