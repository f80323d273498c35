import { describe, expect, it } from 'vitest';
import { RequestError } from '../../src/errors.ts';
import { areNetworks, Strangers } from '../../src/gateway/strangers.ts';
import type { Whence } from '../../src/gateway/strangers.ts';
import { until } from '../support/fake-time.ts';
import { createGatewayFixture } from '../support/gateway-fixture.ts';

function strangers(perSecond: number, trustedProxies: readonly string[] = []) {
  const clock = { ms: 0, now: () => clock.ms };
  const counted = new Strangers({ perSecond, trustedProxies, clock });
  /** How long it is told to wait; 0: it is let in. */
  const ask = (remoteAddress: string, forwardedFor?: string): number => {
    const whence: Whence = { remoteAddress, forwardedFor };
    try {
      counted.admit(whence);
      return 0;
    } catch (error) {
      if (!(error instanceof RequestError) || error.code !== 'rate-limited') throw error;
      return error.retryAfterMs ?? -1;
    }
  };
  return { counted, clock, ask };
}

describe('strangers', () => {
  it('of one address are told to wait past its bound, and nobody else is', () => {
    const { ask, clock, counted } = strangers(2);
    expect([1, 2, 3].map(() => ask('203.0.113.7'))).toEqual([0, 0, 500]);
    expect(ask('203.0.113.8')).toBe(0);
    clock.ms += 500;
    expect(ask('203.0.113.7')).toBe(0);
    expect(counted.stats()).toEqual({ refused: 1, addresses: 2 });
  });

  it('of one /64 of IPv6 are one, however it is written; of IPv4 inside IPv6 the IPv4 counts', () => {
    const { ask } = strangers(1);
    expect(ask('2001:db8::1')).toBe(0);
    for (const same of ['2001:db8::2', '2001:0db8:0000:0000:ffff:1:2:3', '2001:DB8:0:0::9'])
      expect(ask(same)).toBe(1_000);
    expect(ask('2001:db8:0:1::1')).toBe(0);
    expect(ask('::ffff:203.0.113.7')).toBe(0);
    expect(ask('203.0.113.7')).toBe(1_000);
    expect(ask('0000:0000:0000:0000:0000:ffff:203.0.113.7')).toBe(1_000);
  });

  it('on this machine are not counted', () => {
    const { ask, counted } = strangers(1);
    for (const address of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1', '']) {
      expect([1, 2, 3].map(() => ask(address))).toEqual([0, 0, 0]);
    }
    expect(counted.stats()).toEqual({ refused: 0, addresses: 0 });
  });

  it('are known by what a trusted proxy says, and by nothing that they say themselves', () => {
    const { ask } = strangers(1, ['127.0.0.1', '10.0.0.0/8', '2001:db8:ffff::/48']);
    expect(ask('127.0.0.1', '203.0.113.1')).toBe(0);
    expect(ask('127.0.0.1', '203.0.113.2')).toBe(0);
    // What stands before the last address that no proxy has is hearsay.
    expect(ask('127.0.0.1', '198.51.100.9, 203.0.113.2, 10.1.2.3')).toBe(1_000);
    expect(ask('203.0.113.3', '203.0.113.99')).toBe(0);
    expect(ask('203.0.113.3', '203.0.113.98')).toBe(1_000);
    expect(ask('2001:db8:ffff::7', '203.0.113.3')).toBe(1_000);
    // A header that is no list of addresses is the proxy's own.
    expect(ask('10.0.0.1', 'nonsense')).toBe(0);
    expect(ask('10.0.0.1', 'unknown')).toBe(1_000);
  });

  it('cost a bounded table, whose oldest address goes first', () => {
    const { ask, counted } = strangers(1);
    for (let i = 0; i < 20_005; i++) ask(`203.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    expect(counted.stats().addresses).toBe(20_000);
  });
});

describe('a setting of networks', () => {
  it.each([
    ['10.0.0.0/8', true],
    ['127.0.0.1', true],
    ['2001:db8::/32', true],
    ['10.0.0.0/33', false],
    ['10.0.0.0/', false],
    ['10.0.0.0/8/8', false],
    ['example.com', false],
    ['', false],
  ])('takes %s: %s', (name, isTaken) => {
    expect(areNetworks([name])).toBe(isTaken);
  });
});

describe('a connection', () => {
  it('GW-11: without a valid token is closed with 4006 where its address has too many; one with it is never counted', async () => {
    let counted = 0;
    const refuse = {
      admit: () => {
        counted += 1;
        throw new RequestError('rate-limited', 'x', { retryAfterMs: 20 });
      },
    };
    const fixture = await createGatewayFixture({ strangers: refuse });
    const known = await fixture.connect();
    expect(known.closedWith).toBeUndefined();
    const stranger = fixture.sockets.connect({ authorization: undefined });
    expect(stranger.closedWith).toBe(4006);
    for (const authorization of ['Bearer not-a-token', 'Basic x']) {
      const liar = fixture.sockets.connect({ authorization });
      await until(() => liar.closedWith !== undefined, 'the end');
      expect(liar.closedWith).toBe(4006);
    }
    expect(counted).toBe(3);
    await fixture.gateway.close();
  });
});
