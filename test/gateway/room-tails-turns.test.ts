/** What happens to a room in any one turn of the microtask queue while its tail is being read. */
import { expect, test } from 'vitest';
import type { ConversationEvent } from '../../src/domain/conversation/events.ts';
import type { Recorded } from '../../src/domain/decider.ts';
import { EncodedRun } from '../../src/gateway/event-frames.ts';
import { DEFAULT_GATEWAY_LIMITS } from '../../src/gateway/limits.ts';
import type { Page, RoomLog, TailRead } from '../../src/gateway/room-log.ts';
import { RoomTails, type Following } from '../../src/gateway/room-tails.ts';
import { FakeTime } from '../support/fake-time.ts';

const [STREAM, ROOM] = ['conversation-acme.1', 'conversation:1'];
const TURNS = [0, 1, 2, 3, 4, 5, 6, 7, 8];

function posted(seq: number, text = `message ${seq}`): Recorded<ConversationEvent> {
  return {
    event: { type: 'MessagePosted', data: { seq, text, format: 'plain', attachments: [] } },
    ...{ id: `id-${seq}`, stream: STREAM, revision: BigInt(seq), position: BigInt(seq), at: 0, origin: 'live' },
    ...{ actor: { id: 'ann', role: 'agent' }, commandId: undefined, commandDigest: undefined },
  };
}

/** Tails over a log of these reads, the last one again and again. */
function tailsOver(...reads: readonly Recorded<ConversationEvent>[][]): RoomTails {
  const time = new FakeTime();
  let made = 0;
  const tail = (): Promise<TailRead> => {
    const run = reads[Math.min(made++, reads.length - 1)] ?? [];
    return Promise.resolve({ first: run[0]?.revision ?? 0n, run });
  };
  const page = async (): Promise<Page> => {
    const { run } = await tail();
    return { kind: 'page', run, atHead: true };
  };
  const roomLog: Pick<RoomLog, 'tail' | 'page'> = { tail, page };
  return new RoomTails({
    roomLog: roomLog as RoomLog,
    ...{ limits: DEFAULT_GATEWAY_LIMITS, clock: time, timers: time, isOpen: () => true, isFed: () => true },
  });
}

async function microtasks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

test.each(TURNS)('GW-3: an event brought %i turns after a read began is in the tail', async turn => {
  const tails = tailsOver([posted(0), posted(1)]);
  const opened = tails.open(STREAM, ROOM, { after: -1n });
  await microtasks(turn);
  tails.brought(STREAM, new EncodedRun([posted(2)]));
  await opened;
  expect(tails.get(STREAM)?.head).toBe(2n);
});

test.each(TURNS)('GW-3: a tail is not behind what the feed passed %i turns after its read began', async turn => {
  const tails = tailsOver([posted(0)], [posted(0), posted(1)]);
  void tails.open(STREAM, ROOM, { after: -1n }).catch(() => undefined);
  await microtasks(turn);
  tails.passed(STREAM, 1n);
  await microtasks(20);
  expect(tails.get(STREAM)?.head ?? 1n).toBe(1n);
});

test.each(TURNS)(
  'GW-11: what was read before it was forgotten, %i turns after the read began, is not kept',
  async turn => {
    const tails = tailsOver([posted(0, 'erased')], [posted(0, 'gone')]);
    void tails.open(STREAM, ROOM, { after: -1n });
    await microtasks(turn);
    tails.forget(STREAM);
    await microtasks(20);
    const frames = tails.get(STREAM)?.framesAfter(-1n, 'staff') ?? [];
    expect(textOf({ kind: 'frames', frames })).not.toContain('erased');
  },
);

test.each(TURNS)(
  'GW-11: who asks after something was forgotten shares no read begun before, %i turns on',
  async turn => {
    const tails = tailsOver([posted(0, 'erased')], [posted(0, 'gone')]);
    void tails.before(STREAM, ROOM, -1n, 'staff');
    await microtasks(turn);
    tails.forgetAll('conversation-acme.');
    expect(textOf(await tails.before(STREAM, ROOM, -1n, 'staff'))).toContain('gone');
  },
);

function textOf(following: Following): string {
  if (following.kind === 'truncated') return following.kind;
  return following.frames.map(({ bytes }) => Buffer.from(bytes).toString()).join('');
}
