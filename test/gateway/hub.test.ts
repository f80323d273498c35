import { describe, expect, test } from 'vitest';
import type { Claims } from '../../src/domain/claims.ts';
import type { Recorded } from '../../src/domain/decider.ts';
import type { ConversationEvent } from '../../src/domain/conversation/events.ts';
import { Hub } from '../../src/gateway/hub.ts';
import type { Subscriber } from '../../src/gateway/room.ts';

const claims: Claims = { sub: 'ada', tenant: 'default', role: 'agent', rooms: [], expiresAt: Infinity };

function posted(stream: string): Recorded<ConversationEvent> {
  const data = { seq: 0, text: 'hi', format: 'plain', attachments: [] } as const;
  return {
    event: { type: 'MessagePosted', data },
    id: '0199f3a2-7c1e-7d3b-9d53-6f0a9c2b1e77',
    ...{ stream, revision: 0n, position: 64n, at: 0, origin: 'live', commandId: 'c', commandDigest: 'd' },
    actor: { id: 'ada', role: 'agent' },
  };
}

function live(hub: Hub, stream: string, offerEvents: () => boolean): void {
  const subscriber = { outbox: { offerEvents }, claims, fallBehind: () => undefined, forbid: () => undefined };
  const subscription = hub.join(stream, 'conversation:x', subscriber as unknown as Subscriber, 'staff', true);
  subscription.room.goLive(subscription);
}

describe('the hub', () => {
  test('a fault in one room is told, and no other room misses anything for it', () => {
    const failed: string[] = [];
    const hub = new Hub({ frameBytes: 65_536, roomFailed: stream => failed.push(stream) });
    let delivered = 0;
    live(hub, 'conversation-default.broken', () => {
      throw new Error('a bug');
    });
    live(hub, 'conversation-default.well', () => {
      delivered += 1;
      return true;
    });
    hub.dispatch([posted('conversation-default.broken'), posted('conversation-default.well')]);
    expect(failed).toEqual(['conversation-default.broken']);
    expect(delivered).toBe(1);
  });
});
