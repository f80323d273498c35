import { describe, expect, it } from 'vitest';
import { createConversationCommands } from '../../src/commands/conversation-commands.ts';
import { createErasure } from '../../src/commands/erasure.ts';
import { createTenantCommands } from '../../src/commands/tenant-commands.ts';
import { UnavailableError } from '../../src/errors.ts';
import { createSealedCodec } from '../../src/keyring/codec.sealed.ts';
import type { SubjectId } from '../../src/keyring/keyring.ts';
import { createConversationSerializer, createTenantSerializer } from '../../src/schemas/aggregate-serializers.ts';
import { MemoryEventStore } from '../support/memory-event-store.ts';
import { MemoryKeyring } from '../support/memory-keyring.ts';
import { START, bob, codeOf, keys, post, readAll, request } from './handler-specification.ts';

function node() {
  const store = new MemoryEventStore(() => 0);
  const keyring = new MemoryKeyring();
  const codec = createSealedCodec({ keyring });
  const isErased = async (subjects: readonly SubjectId[]) => (await keyring.find(subjects)).includes('erased');
  const shared = { store, keys, isErased, clock: { now: () => 1_000 } };
  const serializer = createConversationSerializer({ codec });
  const tenants = createTenantCommands({ ...shared, serializer: createTenantSerializer({ codec }) });
  const handler = () => createConversationCommands({ ...shared, serializer });
  const by = { id: 'officer-3', role: 'service' } as const;
  const order = (subject: string, commandId = `erase-${subject}`) =>
    ({ tenant: 'acme', subject, by, reason: 'asked to', commandId }) as const;
  return { store, keyring, serializer, tenants, handler, order };
}

describe('After an erasure', () => {
  it('GW-7: a known id answers its first ack, whatever it is sent with; others are still told apart', async () => {
    const { keyring, tenants, handler, order } = node();
    const commands = handler();
    await commands.handle(request('c1', START));
    const first = await commands.handle(request('c2', post('hi')));
    await commands.handle(request('d1', START, { id: '43', actor: { id: 'carl', role: 'visitor' } }));
    expect(await codeOf(commands.handle(request('c2', post('ho'))))).toBe('idempotency-mismatch');
    await createErasure({ tenants, keyring }).eraseSubject(order('ann'));
    for (const words of ['hi', 'ho'])
      expect(await commands.handle(request('c2', post(words)))).toEqual({ ...first, duplicate: true });
    expect(await handler().handle(request('c2', post('ho')))).toEqual({ ...first, duplicate: true });
    expect(await codeOf(commands.handle(request('d1', post('x'), { id: '43', actor: bob })))).toBe(
      'idempotency-mismatch',
    );
  });

  it('nothing more is sealed for its subject: posts are rejected, what says nothing personal is not', async () => {
    const { store, keyring, serializer, tenants, handler, order } = node();
    const commands = handler();
    await commands.handle(request('c1', START));
    await commands.handle(request('c2', post('hi')));
    await createErasure({ tenants, keyring }).eraseSubject(order('ann'));
    expect(await codeOf(commands.handle(request('c3', post('ho'))))).toBe('rejected erased');
    expect(await codeOf(commands.handle(request('c4', post('ho'), { actor: bob })))).toBe('rejected erased');
    const redact = { type: 'RedactMessage', data: { seq: 0 } } as const;
    expect(await commands.handle(request('c5', redact))).toMatchObject({ first: 2n });
    const texts = (await serializer.open(await readAll(store))).map(({ event }) =>
      event.type === 'MessagePosted' ? event.data.text : event.type,
    );
    expect(texts).toEqual(['ConversationStarted', null, 'MessageRedacted']);
  });

  it('of somebody who was never heard of, nothing of them is ever taken', async () => {
    const { keyring, tenants, handler, order } = node();
    const erasure = createErasure({ tenants, keyring });
    expect(await erasure.eraseSubject(order('ann'))).toMatchObject({ first: 0n, held: false });
    expect(await erasure.eraseSubject(order('ann', 'erase-again'))).toMatchObject({ first: null, duplicate: false });
    const commands = handler();
    await commands.handle(request('c1', START));
    expect(await codeOf(commands.handle(request('c2', post('hi'))))).toBe('rejected erased');
  });

  it('that told the log and no more, the next start destroys the key', async () => {
    const { keyring, tenants, order } = node();
    const cutOff = createErasure({
      tenants,
      keyring: {
        find: subjects => keyring.find(subjects),
        obtain: subjects => keyring.obtain(subjects),
        tenants: () => keyring.tenants(),
        close: () => keyring.close(),
        destroy: () => Promise.reject(new UnavailableError('the power is gone')),
      },
    });
    for (const subject of ['ann', 'zoe'])
      await expect(cutOff.eraseSubject(order(subject))).rejects.toThrow(UnavailableError);
    const ids = ['ann', 'zoe', 'bob'].map(subject => ({ tenant: 'acme', subject }));
    await keyring.obtain(ids);
    const erasure = createErasure({ tenants, keyring });
    expect(await erasure.finish()).toBe(2);
    expect((await keyring.find(ids)).map(key => key === 'erased')).toEqual([true, true, false]);
    expect(await erasure.finish()).toBe(0);
  });
});
