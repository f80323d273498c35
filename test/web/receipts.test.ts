import { describe, expect, it } from 'vitest';
import { Receipts } from '../../web/chat/receipts.ts';
import { FakeNetwork } from './fake-network.ts';

const MOMENT_MS = 600;

function told() {
  const { timers, advance } = ((network: FakeNetwork) => ({
    timers: network.timers,
    advance: () => network.advance(MOMENT_MS),
  }))(new FakeNetwork());
  const sent: string[] = [];
  const line = { up: true };
  const receipts = new Receipts((kind, seq) => {
    if (line.up) sent.push(`${kind} ${seq}`);
    return line.up;
  }, timers);
  return { receipts, sent, line, advance };
}

describe('GW-5: what a side tells of its reading', () => {
  it('tells the highest of a burst, once, and of what was read not that it was delivered', async () => {
    const { receipts, sent, advance } = told();
    receipts.caughtUp();
    for (const seq of [0, 1, 2]) receipts.arrived(seq);
    receipts.seen(1);
    receipts.seen(2);
    receipts.seen(0);
    await advance();
    await advance();
    expect(sent).toEqual(['read 2']);
  });

  it('tells that it has what nobody looked at, and later that it was read', async () => {
    const { receipts, sent, advance } = told();
    receipts.caughtUp();
    receipts.arrived(3);
    await advance();
    receipts.seen(3);
    await advance();
    expect(sent).toEqual(['delivered 3', 'read 3']);
  });

  it('tells nothing before it is caught up, and nothing that the log has recorded', async () => {
    const { receipts, sent, advance } = told();
    receipts.arrived(5);
    receipts.seen(5);
    await advance();
    receipts.recorded('read', 5);
    receipts.caughtUp();
    await advance();
    expect(sent).toEqual([]);
  });

  it('tells again after a cut what was told and not recorded', async () => {
    const { receipts, sent, advance } = told();
    receipts.caughtUp();
    receipts.seen(4);
    await advance();
    receipts.disconnected();
    receipts.caughtUp();
    await advance();
    receipts.recorded('read', 4);
    receipts.disconnected();
    receipts.caughtUp();
    await advance();
    expect(sent).toEqual(['read 4', 'read 4']);
  });

  it('keeps what there was no connection for', async () => {
    const { receipts, sent, line, advance } = told();
    receipts.caughtUp();
    line.up = false;
    receipts.seen(1);
    await advance();
    line.up = true;
    receipts.seen(2);
    await advance();
    expect(sent).toEqual(['read 2']);
  });

  it('GW-4: forgets all of a room that begins again', async () => {
    const { receipts, sent, advance } = told();
    receipts.caughtUp();
    receipts.seen(9);
    receipts.reset();
    receipts.caughtUp();
    await advance();
    receipts.seen(0);
    await advance();
    expect(sent).toEqual(['read 0']);
  });
});
