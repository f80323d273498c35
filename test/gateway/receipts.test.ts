import { v5 as uuidV5 } from 'uuid';
import { describe, expect, test } from 'vitest';
import type { CommandAck, CommandRequest, ConversationCommands } from '../../src/commands/commands.ts';
import { conversationDecider } from '../../src/domain/conversation/decider.ts';
import type { ConversationCommand } from '../../src/domain/conversation/commands.ts';
import { emptyFold } from '../../src/domain/decider.ts';
import { RequestError, UnavailableError } from '../../src/errors.ts';
import { Receipts, type Receipt } from '../../src/gateway/receipts.ts';
import { createGatewayFixture, type GatewayFixture } from '../support/gateway-fixture.ts';
import { FakeTime, turns, until } from '../support/fake-time.ts';
import type { SocketPair } from '../support/socket-pair.ts';

const ROOM = 'conversation:1';
const VERA = { sub: 'vera', role: 'visitor' } as const;

interface SeenReceipt {
  readonly reader: string;
  readonly kind: string;
  readonly seq: number;
}

function receipts(pair: SocketPair): string[] {
  return pair
    .of('events')
    .flatMap(({ events }) => events.filter(({ type }) => type === 'ReceiptRecorded'))
    .map(({ data }) => data as unknown as SeenReceipt)
    .map(({ reader, kind, seq }) => `${reader} ${kind} ${seq}`);
}

/** A room with messages, somebody who reads it, and somebody who looks on. */
async function room(messages: number): Promise<{ fixture: GatewayFixture; ann: SocketPair; vera: SocketPair }> {
  const fixture = await createGatewayFixture();
  await fixture.conversation('1', messages, { visitor: 'vera' });
  const [ann, vera] = [await fixture.connect(), await fixture.connect(VERA)];
  ann.say({ op: 'subscribe', room: ROOM });
  await until(() => ann.of('caught-up').length > 0);
  return { fixture, ann, vera };
}

describe('receipts', () => {
  test('GW-5: are events, of both kinds, live and in a replay, to staff and to the visitor, and are never acked', async () => {
    const { fixture, ann, vera } = await room(2);
    vera.say({ op: 'delivered', room: ROOM, seq: 1 });
    vera.say({ op: 'read', room: ROOM, seq: 0 });
    await until(() => receipts(ann).length === 2);
    ann.say({ op: 'read', room: ROOM, seq: 1 });
    const all = ['vera delivered 1', 'vera read 0', 'ann read 1'];
    await until(() => receipts(ann).length === 3);
    expect(receipts(ann)).toEqual(all);
    const again = await fixture.connect(VERA);
    again.say({ op: 'subscribe', room: ROOM });
    await until(() => again.of('caught-up').length > 0);
    expect(receipts(again)).toEqual(all);
    await turns(20);
    expect([...vera.of('ack'), ...vera.of('nack'), ...vera.of('error')]).toEqual([]);
  });

  test('are at most one command a second, a room, reader and kind: the highest that came', async () => {
    const { fixture, ann, vera } = await room(10);
    for (const seq of [0, 1, 2, 5, 4]) vera.say({ op: 'read', room: ROOM, seq });
    await until(() => receipts(ann).length === 1);
    await turns(20);
    expect(receipts(ann)).toEqual(['vera read 0']);
    await fixture.time.advance(999);
    expect(receipts(ann)).toHaveLength(1);
    await fixture.time.advance(1);
    await until(() => receipts(ann).length === 2);
    vera.say({ op: 'read', room: ROOM, seq: 9 });
    await fixture.time.advance(1_000);
    await until(() => receipts(ann).length === 3);
    expect(receipts(ann)).toEqual(['vera read 0', 'vera read 5', 'vera read 9']);
    // Nothing came for a second: the next one is taken at once again.
    await fixture.time.advance(1_000);
    vera.say({ op: 'read', room: ROOM, seq: 9 });
    ann.say({ op: 'read', room: ROOM, seq: 3 });
    await until(() => receipts(ann).length === 4);
    expect(receipts(ann).at(-1)).toBe('ann read 3');
  });

  test('are recorded whoever has used their derived id before', async () => {
    const { fixture, ann, vera } = await room(2);
    const id = uuidV5(JSON.stringify([ROOM, 'ann', 'read', 1]), '3f0f9c52-3c1e-4b0a-9a6e-5d0f6a0c7b21');
    vera.say({ op: 'send', id, room: ROOM, command: 'PostMessage', data: { text: 'mine' } });
    await until(() => vera.of('ack').length === 1);
    ann.say({ op: 'read', room: ROOM, seq: 1 });
    await fixture.time.advance(1_000);
    expect(receipts(ann)).toEqual(['ann read 1']);
    expect(ann.of('error')).toEqual([]);
  });

  test('of another session of the same reader count as one', async () => {
    const { fixture, ann, vera } = await room(5);
    const phone = await fixture.connect(VERA);
    vera.say({ op: 'read', room: ROOM, seq: 1 });
    phone.say({ op: 'read', room: ROOM, seq: 3 });
    vera.say({ op: 'read', room: ROOM, seq: 2 });
    await fixture.time.advance(3_000);
    expect(receipts(ann)).toEqual(['vera read 1', 'vera read 3']);
  });

  test('do not change what is recorded by a lower or the same one', async () => {
    const { fixture, ann, vera } = await room(5);
    for (const seq of [3, 3, 1]) {
      vera.say({ op: 'read', room: ROOM, seq });
      await fixture.time.advance(2_000);
    }
    expect(receipts(ann)).toEqual(['vera read 3']);
    expect(vera.of('error')).toEqual([]);
  });

  test('are refused with an error: a message that is not there, a room of another, an auditor, a bad frame', async () => {
    const { fixture, ann, vera } = await room(3);
    vera.say({ op: 'read', room: ROOM, seq: 3, ref: 'far' });
    await until(() => vera.of('error').length > 0);
    expect(vera.last('error')).toMatchObject({
      ref: 'far',
      room: ROOM,
      code: 'rejected',
      reason: 'unknown-message',
      retryable: false,
    });
    // What was refused hides nothing that comes after it.
    vera.say({ op: 'read', room: ROOM, seq: 2 });
    await fixture.time.advance(2_000);
    expect(receipts(ann)).toEqual(['vera read 2']);
    const [eve, auditor] = [
      await fixture.connect({ ...VERA, sub: 'eve', rooms: [ROOM] }),
      await fixture.connect({ role: 'auditor' }),
    ];
    for (const pair of [eve, auditor]) {
      pair.say({ op: 'read', room: ROOM, seq: 0, ref: 'r' });
      pair.say({ op: 'delivered', room: 'lobby', seq: 0 });
      // Nor is it told whether there is such a conversation.
      pair.say({ op: 'read', room: 'conversation:none', seq: 0 });
      pair.say({ op: 'read', room: ROOM, seq: -1 });
      pair.say({ op: 'read', room: ROOM });
      await until(() => pair.of('error').length === 5);
      const codes = pair.of('error').map(({ code }) => code);
      expect(codes.sort()).toEqual(['bad-request', 'bad-request', 'forbidden', 'forbidden', 'unknown-room']);
    }
    expect(receipts(ann)).toHaveLength(1);
  });

  test('never make a send fail that expects a revision', async () => {
    const { ann, vera } = await room(1);
    vera.say({ op: 'read', room: ROOM, seq: 0 });
    await until(() => receipts(ann).length === 1);
    const data = { text: 'on the first message' };
    ann.say({ op: 'send', id: 'm', room: ROOM, command: 'PostMessage', data, expectedRevision: 1 });
    await until(() => ann.of('ack').length + ann.of('nack').length > 0);
    expect(ann.last('ack')).toMatchObject({ first: 3 });
  });

  test('GW-12: that wait are recorded before the node goes away', async () => {
    const { fixture, ann, vera } = await room(5);
    vera.say({ op: 'read', room: ROOM, seq: 0 });
    vera.say({ op: 'read', room: ROOM, seq: 4 });
    await until(() => receipts(ann).length === 1);
    const drained = fixture.gateway.drain(5_000);
    await until(() => receipts(ann).length === 2);
    expect(receipts(ann).at(-1)).toBe('vera read 4');
    await fixture.time.advance(5_000);
    await drained;
  });
});

/** Commands that the test answers. */
class HeldCommands implements ConversationCommands {
  readonly requests: CommandRequest<ConversationCommand>[] = [];
  readonly answers: ((error?: Error) => void)[] = [];

  handle(request: CommandRequest<ConversationCommand>): Promise<CommandAck> {
    this.requests.push(request);
    return new Promise((resolve, reject) => {
      this.answers.push(error => {
        if (error) reject(error);
        else resolve({ first: 1n, last: 1n, position: 1n, duplicate: false });
      });
    });
  }

  load() {
    return Promise.resolve(emptyFold(conversationDecider));
  }
}

describe('the receipts of a node', () => {
  const receipt = (more: Partial<Receipt> = {}): Receipt => ({
    tenant: 'acme',
    conversation: '1',
    reader: { id: 'vera', role: 'visitor' },
    kind: 'read',
    seq: 0,
    correlationId: 's',
    refuse: () => undefined,
    ...more,
  });

  test('are commands whose ids follow from the room, the reader, the kind and the message', async () => {
    const ids = async (more: Partial<Receipt>) => {
      const commands = new HeldCommands();
      new Receipts(commands, new FakeTime()).note(receipt(more));
      await turns(1);
      return commands.requests.map(({ commandId }) => commandId);
    };
    const different = [
      {},
      { seq: 1 },
      { kind: 'delivered' },
      { conversation: '2' },
      { reader: { id: 'ann', role: 'agent' } },
    ];
    const all = (await Promise.all((different as Partial<Receipt>[]).map(ids))).flat();
    expect(new Set(all).size).toBe(different.length);
    expect(await ids({ correlationId: 'another session' })).toEqual([all[0]]);
  });

  test('are never two under way of the same room, reader and kind, however long one takes', async () => {
    const [commands, time] = [new HeldCommands(), new FakeTime()];
    const receipts = new Receipts(commands, time);
    for (const seq of [1, 2, 3]) receipts.note(receipt({ seq }));
    await time.advance(60_000);
    expect(commands.requests).toHaveLength(1);
    commands.answers[0]?.();
    await turns(2);
    await time.advance(1_000);
    expect(commands.requests.map(({ command }) => command)).toEqual([
      { type: 'MarkRead', data: { seq: 1 } },
      { type: 'MarkRead', data: { seq: 3 } },
    ]);
  });

  test('are told what refused them, and what came meanwhile goes on', async () => {
    const [commands, time] = [new HeldCommands(), new FakeTime()];
    const receipts = new Receipts(commands, time);
    const refused: unknown[] = [];
    receipts.note(receipt({ seq: 9, refuse: error => refused.push(error) }));
    const error = new UnavailableError('the store is away');
    commands.answers[0]?.(error);
    await turns(2);
    expect(refused).toEqual([error]);
    receipts.note(receipt({ seq: 2 }));
    await time.advance(1_000);
    expect(commands.requests.at(-1)?.command).toEqual({ type: 'MarkRead', data: { seq: 2 } });
  });

  test('GW-12: are issued at once and no longer taken when the node goes away', async () => {
    const commands = new HeldCommands();
    const receipts = new Receipts(commands, new FakeTime());
    for (const seq of [1, 2]) receipts.note(receipt({ seq }));
    let drained = false;
    void receipts.drain().then(() => (drained = true));
    expect(() => {
      receipts.note(receipt({ conversation: '2' }));
    }).toThrow(RequestError);
    commands.answers[0]?.();
    await turns(2);
    expect([commands.requests.length, drained]).toEqual([2, false]);
    commands.answers[1]?.();
    await turns(2);
    expect(drained).toBe(true);
  });

  test('are bounded, and forgotten a second after the last', async () => {
    const [commands, time] = [new HeldCommands(), new FakeTime()];
    const receipts = new Receipts(commands, time, 2);
    receipts.note(receipt());
    receipts.note(receipt({ conversation: '2' }));
    const third = () => {
      receipts.note(receipt({ conversation: '3' }));
    };
    expect(third).toThrow(RequestError);
    for (const answer of commands.answers) answer();
    await turns(2);
    await time.advance(1_000);
    third();
    expect(commands.requests).toHaveLength(3);
  });
});
