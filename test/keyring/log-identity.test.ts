import { describe, expect, it } from 'vitest';
import { ForeignCodecError, identifyLog, UnreadableLogIdentityError } from '../../src/event-store/log-identity.ts';
import { firstIdOf, wasIdentifiedAs } from '../../src/event-store/log-identity.ts';
import { plainCodec } from '../support/plain-codec.ts';
import { MemoryEventStore } from '../support/memory-event-store.ts';

const ids = [
  '019a0000-0000-7000-8000-000000000001',
  '019a0000-0000-7000-8000-000000000002',
  '019a0000-0000-7000-8000-000000000003',
];
const STREAM = 'verbatimLog-system.id';

function identifying(codec: { name: string } = plainCodec) {
  let next = 0;
  return { codec, newId: () => ids[next++] ?? 'spent', clock: { now: () => 1_000 } };
}

describe('A log', () => {
  it('gets its id at the first start and keeps it', async () => {
    const store = new MemoryEventStore();
    const options = identifying();
    expect(await identifyLog(store, options)).toEqual({ log: ids[0] });
    expect(await identifyLog(store, options)).toEqual({ log: ids[0] });
    expect(await identifyLog(store, options)).toEqual({ log: ids[0] });
    expect(await store.streamBounds(STREAM)).toEqual({ first: 0n, head: 0n });
  });

  it('gets one id, however many nodes start at once', async () => {
    const store = new MemoryEventStore();
    const options = identifying();
    const nodes = await Promise.all([1, 2, 3].map(() => identifyLog(store, options)));
    expect(new Set(nodes.map(({ log }) => log)).size).toBe(1);
    expect(await store.streamBounds(STREAM)).toEqual({ first: 0n, head: 0n });
  });

  it('is called by the last id it was given', async () => {
    const store = new MemoryEventStore();
    await identifyLog(store, identifying());
    const event = {
      id: '019a0000-0000-7000-8000-00000000000f',
      type: 'LogIdentified',
      data: Buffer.from(JSON.stringify({ log: '019a0000-0000-7000-8000-00000000000f', codec: 'plain' })),
      metadata: Buffer.from('{}'),
      contentType: 'application/json',
    } as const;
    await store.append(STREAM, [event], { expectedRevision: 0n });
    expect(await identifyLog(store, identifying())).toEqual({ log: event.id });
    // And is still the one that it was.
    expect(await firstIdOf(store, event.id)).toBe(ids[0]);
    const asked = [ids[0] ?? '', event.id, ids[1] ?? ''];
    expect(await Promise.all(asked.map(id => wasIdentifiedAs(store, id)))).toEqual([true, true, false]);
    expect(await wasIdentifiedAs(new MemoryEventStore(), event.id)).toBe(false);
  });

  it('is not opened by another codec, and says what to do', async () => {
    const store = new MemoryEventStore();
    await identifyLog(store, identifying());
    const opening = identifyLog(store, identifying({ name: 'aes-256-gcm' }));
    await expect(opening).rejects.toThrow(ForeignCodecError);
    await expect(opening).rejects.toThrow(/"plain".*"aes-256-gcm".*start a new one.*import/s);
  });

  it('whose identity another program wrote is not opened', async () => {
    for (const data of ['{}', 'not JSON', '{"log":"me","codec":"plain"}']) {
      const store = new MemoryEventStore();
      const event = { id: ids[0] ?? '', type: 'LogIdentified', data: Buffer.from(data) } as const;
      const more = { metadata: Buffer.from('{}'), contentType: 'application/json' } as const;
      await store.append(STREAM, [{ ...event, ...more }], { expectedRevision: 'no-stream' });
      await expect(identifyLog(store, identifying())).rejects.toThrow(UnreadableLogIdentityError);
    }
  });
});
