import { describe, expect, it } from 'vitest';
import { ROOM, harness } from './connection-harness.ts';

describe('coming back', () => {
  it.each([4000, 4001, 4002, 4004, 4005, 4006, 1006, 1000])('comes back by itself after %i', async code => {
    const { network, connection, online } = harness();
    await online();
    network.socket.closeFromServer(code);
    await network.advance(500);
    expect(network.sockets).toHaveLength(2);
    expect(connection.state.phase).toBe('connecting');
  });

  it.each([4500, 4501, 4503, 4504, 4505, 4506])('stays away after %i until it is told to connect', async code => {
    const { network, connection, online } = harness();
    await online();
    network.socket.closeFromServer(code, 'no');
    await network.advance(3_600_000);
    expect(network.sockets).toHaveLength(1);
    expect(connection.state).toEqual({ phase: 'ended', why: `closed with ${code} no` });
    await online();
    expect(connection.state.phase).toBe('online');
  });

  it('waits longer each time, up to a bound, and begins again after a hello', async () => {
    const { network, connection, seen, online } = harness();
    await online();
    for (let count = 0; count < 8; count++) {
      network.socket.closeFromServer(1006);
      await network.advance(10_000);
    }
    const waits = seen.states.flatMap(state => (state.phase === 'waiting' ? [state.retryInMs] : []));
    expect(waits).toEqual([375, 750, 1500, 3000, 6000, 7500, 7500, 7500]);
    network.socket.hello();
    network.socket.closeFromServer(1006);
    expect(connection.state).toMatchObject({ phase: 'waiting', retryInMs: 375 });
  });

  it('GW-12: comes back when drain said', async () => {
    const { network, connection, online } = harness();
    await online();
    network.socket.say({ op: 'drain', reconnectAfterMs: 1234 });
    expect(connection.state.phase).toBe('online');
    network.socket.closeFromServer(4001);
    expect(connection.state).toMatchObject({ phase: 'waiting', retryInMs: 1234 });
  });

  it('stays cut, with no timer left behind', async () => {
    const { network, connection, online } = harness();
    connection.subscribe(ROOM);
    await online();
    connection.send(ROOM, 'PostMessage', { text: 'one' });
    connection.cut();
    expect(network.timersSet).toBe(0);
    expect(network.sockets).toHaveLength(1);
  });

  it.each(['not json', '[]', '{"op":"events","room":"r"}', '{"op":"ack","id":1}'])(
    'drops a socket that says %s, and resumes',
    async text => {
      const { network, connection, online } = harness();
      await online();
      network.socket.say(text);
      expect(connection.state.phase).toBe('waiting');
    },
  );

  it('ignores an op it does not know', async () => {
    const { network, connection, online } = harness();
    await online();
    network.socket.say({ op: 'presence-diff', agents: [] });
    expect(connection.state.phase).toBe('online');
  });
});
