import { describe, expect, test } from 'vitest';
import { createGatewayFixture } from '../support/gateway-fixture.ts';

describe('claims that are revoked', () => {
  test('GW-2: end the sessions they opened within five seconds, and no other', async () => {
    const revoked = new Set<string>();
    const fixture = await createGatewayFixture({ isRevoked: ({ apiKey }) => revoked.has(apiKey ?? '') });
    const [one, other, person] = [
      await fixture.connect({ sub: 'key-1', role: 'bot', apiKey: '1' }),
      await fixture.connect({ sub: 'key-2', role: 'bot', apiKey: '2' }),
      await fixture.connect({ sub: 'ada' }),
    ];
    await fixture.time.advance(5_000);
    expect(one.closedWith).toBeUndefined();
    revoked.add('1');
    await fixture.time.advance(5_000);
    expect([one.closedWith, one.closedBecause]).toEqual([4501, 'unauthorized: revoked']);
    expect(other.closedWith).toBeUndefined();
    expect(person.closedWith).toBeUndefined();
    await fixture.gateway.close();
  });
});
