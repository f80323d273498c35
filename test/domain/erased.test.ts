import { describe, expect, it } from 'vitest';
import { view } from '../../src/domain/conversation/view.ts';
import type { ConversationEvent } from '../../src/domain/conversation/events.ts';

const wireOf = (event: ConversationEvent, as: 'staff' | 'visitor' = 'staff') =>
  view(
    {
      ...{ event, id: 'e1', stream: 'conversation-acme.42', revision: 1n, position: 1n, at: 0, origin: 'import' },
      ...{ actor: { id: 'ann', role: 'visitor' }, commandId: 'c1', commandDigest: 'd' },
    },
    as,
  );

const posted = { seq: 0, format: 'plain', attachments: [] } as const;

describe('An event with something erased', () => {
  it('says so, and has null where it was', () => {
    expect(wireOf({ type: 'MessagePosted', data: { ...posted, text: null } })).toMatchObject({
      erased: true,
      data: { seq: 0, text: null },
    });
    expect(wireOf({ type: 'ConversationStarted', data: { channel: 'web', attributes: { city: null } } })).toMatchObject(
      {
        erased: true,
        data: { attributes: { city: null } },
      },
    );
  });

  it('says so only to whom is shown what was erased', () => {
    const event: ConversationEvent = {
      type: 'MessagePosted',
      data: { ...posted, text: 'hi', source: { id: 's1', author: null } },
    };
    expect(wireOf(event)).toMatchObject({ erased: true, data: { text: 'hi', source: { author: null } } });
    expect(wireOf(event, 'visitor')).not.toHaveProperty('erased');
    expect(wireOf({ type: 'MessagePosted', data: { ...posted, text: '' } })).not.toHaveProperty('erased');
  });
});
