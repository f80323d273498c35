import { describe, expect, it } from 'vitest';
import { lastEvent } from '../../src/projections/lag.ts';
import { ProjectedLog } from '../support/projected-log.ts';

const started = () => ({ type: 'ConversationStarted', data: { channel: 'web' } }) as const;

describe('the last event that projections take', () => {
  it('is none in a log that has nothing for them', async () => {
    const events = new ProjectedLog();
    expect(await lastEvent(events.store)).toBeUndefined();
    for (let i = 0; i < 40; i++) await events.appendOther('tenant-acme.settings');
    expect(await lastEvent(events.store)).toBeUndefined();
  });

  it('is an event of a conversation, or an erasure, however much else came after it', async () => {
    const events = new ProjectedLog();
    await events.append('a', started());
    for (const erase of [false, true]) {
      if (erase) await events.erase('v');
      const { end } = events;
      expect(await lastEvent(events.store)).toMatchObject({ position: end });
      for (let i = 0; i < 300; i++) await events.appendOther('tenant-acme.settings');
      await events.appendOther('agent-acme.1');
      expect(await lastEvent(events.store)).toMatchObject({ position: end });
    }
  });

  it('is not the tombstone of a conversation', async () => {
    const events = new ProjectedLog();
    await events.append('a', started());
    await events.append('b', started());
    const { end } = events;
    await events.store.tombstoneStream('conversation-acme.b', { expectedRevision: 0n });
    expect(await lastEvent(events.store)).toMatchObject({ position: end });
  });
});
