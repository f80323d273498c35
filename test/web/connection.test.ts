import { describe, expect, it } from 'vitest';
import { ROOM, ack, events, harness, subscribed } from './connection-harness.ts';
import { settle } from './fake-network.ts';

describe('a connection that opens', () => {
  it('offers the subprotocol with the token beside it and says nothing before hello', async () => {
    const { network, connection } = harness();
    connection.subscribe(ROOM);
    connection.connect();
    await settle();
    expect(network.socket.protocols).toEqual(['verbatim.v1', 'bearer.jwt']);
    expect(network.socket.sent).toEqual([]);
    network.socket.hello();
    expect(network.socket.take()).toEqual([{ op: 'subscribe', room: ROOM }]);
    expect(connection.state.phase).toBe('online');
  });

  it('enters a room by its tail where that is asked', async () => {
    const { network, connection, online } = harness();
    connection.subscribe(ROOM, { tail: 20 });
    await online();
    expect(network.socket.take()).toEqual([{ op: 'subscribe', room: ROOM, tail: 20 }]);
  });

  it('gives up a socket that says no hello, and a token that never comes', async () => {
    const { network, connection } = harness();
    connection.connect();
    await settle();
    await network.advance(10_000);
    expect(network.sockets[0]?.closedByClient).toBe(true);
    expect(connection.state.phase).toBe('waiting');

    const never = harness(() => new Promise<string>(() => undefined));
    never.connection.connect();
    await never.network.advance(10_000);
    expect(never.connection.state.phase).toBe('waiting');
  });

  it('uses no token that came after the person had cut the connection', async () => {
    let give: (token: string) => void = () => undefined;
    const { network, connection } = harness(() => new Promise<string>(resolve => (give = resolve)));
    connection.connect();
    connection.cut();
    give('late');
    await settle();
    expect(network.sockets).toHaveLength(0);
    expect(connection.state.phase).toBe('closed');
  });
});

describe('GW-3: reading', () => {
  it('GW-3: resumes after the last upTo it applied, naming the log', async () => {
    const { network, connection, seen, online } = harness();
    connection.subscribe(ROOM);
    await online();
    network.socket.say(subscribed(-1, 17));
    network.socket.say(events(-1, 17));
    network.socket.closeFromServer(1006);
    expect(connection.state.phase).toBe('waiting');
    await network.advance(500);
    network.socket.hello();
    expect(network.socket.take()).toEqual([{ op: 'subscribe', room: ROOM, after: 17, log: 'log-1' }]);
    network.socket.say(subscribed(17, 23));
    network.socket.say(events(17, 23));
    expect(seen.revisions).toEqual(Array.from({ length: 24 }, (_, rev) => rev));
  });

  it('GW-3: counts hidden revisions: an empty frame moves the cursor', async () => {
    const { network, connection, online } = harness();
    connection.subscribe(ROOM);
    await online();
    network.socket.say(subscribed(-1, 3));
    network.socket.say({ op: 'events', room: ROOM, after: -1, upTo: 3, events: [] });
    connection.cut();
    await online();
    expect(network.socket.take()).toEqual([{ op: 'subscribe', room: ROOM, after: 3, log: 'log-1' }]);
  });

  it.each([
    ['a gap', events(5, 6)],
    ['a repeat', events(2, 3)],
    ['a frame that ends before it begins', { ...events(3, 4), upTo: 2 }],
  ])('GW-3: never applies %s, but resumes from its cursor', async (_what, frame) => {
    const { network, connection, seen, online } = harness();
    connection.subscribe(ROOM);
    await online();
    network.socket.say(subscribed(-1, 3));
    network.socket.say(events(-1, 3));
    network.socket.say(frame);
    expect(seen.revisions).toEqual([0, 1, 2, 3]);
    expect(network.socket.closedByClient).toBe(true);
    await network.advance(500);
    network.socket.hello();
    expect(network.socket.take()).toEqual([{ op: 'subscribe', room: ROOM, after: 3, log: 'log-1' }]);
  });

  it('GW-3: drops a socket whose subscribed or caught-up is not at its cursor', async () => {
    for (const frame of [subscribed(7, 9), { op: 'caught-up', room: ROOM, upTo: 9 }]) {
      const { network, connection, online } = harness();
      connection.subscribe(ROOM);
      await online();
      network.socket.say(subscribed(-1, 3));
      network.socket.say(events(-1, 3));
      network.socket.say(frame);
      expect(network.socket.closedByClient).toBe(true);
    }
  });

  it('ignores what arrives for a room it is leaving, and enters it anew afterwards', async () => {
    const { network, connection, seen, online } = harness();
    connection.subscribe(ROOM);
    await online();
    network.socket.say(subscribed(-1, 3));
    network.socket.take();
    connection.unsubscribe(ROOM);
    connection.subscribe(ROOM, { tail: 1 });
    network.socket.say(events(-1, 3));
    expect(network.socket.take()).toEqual([{ op: 'unsubscribe', room: ROOM }]);
    network.socket.say({ op: 'unsubscribed', room: ROOM });
    expect(network.socket.take()).toEqual([{ op: 'subscribe', room: ROOM, tail: 1 }]);
    network.socket.say(subscribed(2, 3));
    network.socket.say(events(2, 3));
    expect(seen.revisions).toEqual([3]);
  });

  it('GW-2: says that a room was closed to it and does not ask for it again', async () => {
    const { network, connection, seen, online } = harness();
    connection.subscribe(ROOM);
    await online();
    network.socket.say({ op: 'unsubscribed', room: ROOM, code: 'forbidden' });
    expect(seen.closed).toEqual(['forbidden']);
    connection.cut();
    await online();
    expect(network.socket.take()).toEqual([]);
  });
});

describe('GW-4: resets', () => {
  const reset = (reason: string, from: number): object => ({
    op: 'reset',
    room: ROOM,
    reason,
    from,
    head: 90,
    log: 'log-2',
  });

  it('GW-4: continues from the first available revision after truncation', async () => {
    const { network, connection, seen, online } = harness();
    connection.subscribe(ROOM);
    await online();
    network.socket.take();
    network.socket.say(reset('truncated', 50));
    expect(seen.resets).toEqual([{ reason: 'truncated', from: 50 }]);
    expect(network.socket.take()).toEqual([{ op: 'subscribe', room: ROOM, after: 49, log: 'log-2' }]);
  });

  it('GW-4: begins again in another log', async () => {
    const { network, connection, seen, online } = harness();
    connection.subscribe(ROOM);
    await online();
    network.socket.say(subscribed(-1, 3));
    network.socket.say(events(-1, 3));
    network.socket.take();
    network.socket.say(reset('other-log', 0));
    expect(seen.resets).toEqual([{ reason: 'other-log', from: 0 }]);
    expect(network.socket.take()).toEqual([{ op: 'subscribe', room: ROOM }]);
  });

  it('GW-4: gives a room up that is reset again and again', async () => {
    const { network, connection, seen, online } = harness();
    connection.subscribe(ROOM);
    await online();
    for (let count = 0; count < 4; count++) network.socket.say(reset('beyond-head', 0));
    expect(seen.closed).toHaveLength(1);
    expect(network.socket.take()).toHaveLength(4);
  });
});

describe('GW-7: writing', () => {
  it('GW-7: sends an unacked command again after a cut, under its id, after the rooms', async () => {
    const { network, connection, seen, online } = harness();
    connection.subscribe(ROOM);
    await online();
    const id = connection.send(ROOM, 'PostMessage', { text: 'hello' });
    const command = { op: 'send', id, room: ROOM, command: 'PostMessage', data: { text: 'hello' } };
    expect(network.socket.take()).toEqual([{ op: 'subscribe', room: ROOM }, command]);
    connection.cut();
    network.socket.say(ack('id-1', 1));
    expect(seen.acks).toEqual([]);
    await online();
    expect(network.socket.take()).toEqual([{ op: 'subscribe', room: ROOM }, command]);
    network.socket.say(ack('id-1', 1, true));
    expect(seen.acks).toMatchObject([{ id: 'id-1', duplicate: true }]);
    expect(connection.pending).toBe(0);
    connection.cut();
    await online();
    expect(network.socket.take()).toEqual([{ op: 'subscribe', room: ROOM }]);
  });

  it('GW-7: keeps what is written while cut, in order', async () => {
    const { network, connection, online } = harness();
    for (const text of ['one', 'two', 'three']) connection.send(ROOM, 'PostMessage', { text });
    expect(connection.pending).toBe(3);
    await online();
    expect(network.socket.take().map(frame => (frame.op === 'send' ? frame.id : frame.op))).toEqual([
      'id-1',
      'id-2',
      'id-3',
    ]);
  });

  it('takes no more than 200 unanswered commands', () => {
    const { connection } = harness();
    const ids = Array.from({ length: 201 }, (_, n) => connection.send(ROOM, 'PostMessage', { text: String(n) }));
    expect(ids.filter(id => id !== undefined)).toHaveLength(200);
    expect(ids.at(-1)).toBeUndefined();
  });

  it('gives up a socket on which nothing was answered for 10 s, but not one that answers', async () => {
    const { network, connection, online } = harness();
    await online();
    connection.send(ROOM, 'PostMessage', { text: 'one' });
    connection.send(ROOM, 'PostMessage', { text: 'two' });
    await network.advance(9_999);
    network.socket.say(ack('id-1', 1));
    await network.advance(9_999);
    expect(connection.state.phase).toBe('online');
    await network.advance(1);
    expect(connection.state.phase).toBe('waiting');
  });

  const nack = (retryable: boolean): object => ({
    op: 'nack',
    id: 'id-1',
    room: ROOM,
    code: retryable ? 'rate-limited' : 'rejected',
    message: 'no',
    retryable,
    retryAfterMs: 100,
  });

  it('tries a retryable nack again after its time, at most 5 times, then says so', async () => {
    const { network, connection, seen, online } = harness();
    await online();
    connection.send(ROOM, 'PostMessage', { text: 'one' });
    let sent = 0;
    for (let count = 0; count < 6; count++) {
      sent += network.socket.take().length;
      network.socket.say(nack(true));
      await network.advance(100);
    }
    expect(sent).toBe(6);
    expect(seen.refused).toHaveLength(1);
    expect(connection.pending).toBe(0);
  });

  it('tells at once of a nack that is final', async () => {
    const { network, connection, seen, online } = harness();
    await online();
    connection.send(ROOM, 'EditMessage', { seq: 0, text: 'x' });
    network.socket.say(nack(false));
    expect(seen.refused).toMatchObject([{ code: 'rejected' }]);
    expect(connection.pending).toBe(0);
  });

  it('GW-6: says typing only while there is a connection', async () => {
    const { network, connection, online } = harness();
    connection.typing(ROOM, true);
    await online();
    expect(network.socket.take()).toEqual([]);
    connection.typing(ROOM, true);
    expect(network.socket.take()).toEqual([{ op: 'typing', room: ROOM, on: true }]);
  });

  it('says how far it has come, and keeps the room where that is refused', async () => {
    const { network, connection, seen, online } = harness();
    connection.subscribe(ROOM);
    expect(connection.receipt(ROOM, 'read', 3)).toBe(false);
    await online();
    network.socket.take();
    expect(connection.receipt(ROOM, 'read', 3)).toBe(true);
    const [frame] = network.socket.take();
    expect(frame).toMatchObject({ op: 'read', room: ROOM, seq: 3 });
    const refusal = { op: 'error', room: ROOM, code: 'rejected', message: 'no', retryable: false };
    network.socket.say({ ...refusal, ref: frame !== undefined && 'ref' in frame ? frame.ref : undefined });
    expect(seen.closed).toEqual([]);
    network.socket.say(refusal);
    expect(seen.closed).toEqual(['rejected']);
  });
});
