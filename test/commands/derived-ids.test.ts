import fc from 'fast-check';
import { v5 } from 'uuid';
import { describe, expect, it } from 'vitest';
import { createTenantKeys, eventId, nameUuid } from '../../src/commands/derived-ids.ts';

const rootSecret = new Uint8Array(32).fill(1);
const post = (data: object) => ({ type: 'PostMessage', data });

describe('What is derived', () => {
  it('is a UUIDv5 as RFC 9562 has it', () => {
    const namespace = new Uint8Array(16).fill(0xab);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), name => {
        expect(nameUuid(namespace, name)).toBe(v5(name, namespace));
      }),
    );
  });

  it('differs for each event by stream, command, content and place', () => {
    const ids = [
      eventId('conversation-acme.1', 'c1', 'd1', 0),
      eventId('conversation-acme.2', 'c1', 'd1', 0),
      eventId('conversation-acme.1', 'c2', 'd1', 0),
      eventId('conversation-acme.1', 'c1', 'd2', 0),
      eventId('conversation-acme.1', 'c1', 'd1', 1),
    ];
    expect(new Set(ids).size).toBe(5);
    expect(eventId('conversation-acme.1', 'c1', 'd1', 0)).toBe(ids[0]);
  });
});

describe('The digest of a command', () => {
  const keys = createTenantKeys({ rootSecret });

  it('does not depend on the order of fields, or on fields that are not there', () => {
    const digest = keys.commandDigest('acme', 'ann', post({ text: 'hi', replyTo: 1 }));
    expect(keys.commandDigest('acme', 'ann', post({ replyTo: 1, attachments: undefined, text: 'hi' }))).toBe(digest);
    expect(digest).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  it('depends on everything else, the tenant and the secret too', () => {
    const other = createTenantKeys({ rootSecret: new Uint8Array(32).fill(2) });
    const digests = [
      keys.commandDigest('acme', 'ann', post({ text: 'hi' })),
      keys.commandDigest('acme', 'bob', post({ text: 'hi' })),
      keys.commandDigest('acme', 'ann', post({ text: 'ho' })),
      keys.commandDigest('acme', 'ann', { type: 'EditMessage', data: { text: 'hi' } }),
      keys.commandDigest('other', 'ann', post({ text: 'hi' })),
      other.commandDigest('acme', 'ann', post({ text: 'hi' })),
    ];
    expect(new Set(digests).size).toBe(6);
  });
});

describe('The keys of tenants', () => {
  it('give an author one opaque id a tenant, which without the secret says nothing', () => {
    const keys = createTenantKeys({ rootSecret });
    const id = keys.authorId('acme', 'Ann');
    expect(keys.authorId('acme', 'Ann')).toBe(id);
    expect(keys.authorId('acme', 'ann')).not.toBe(id);
    expect(keys.authorId('other', 'Ann')).not.toBe(id);
    expect(createTenantKeys({ rootSecret: new Uint8Array(32) }).authorId('acme', 'Ann')).not.toBe(id);
  });

  it('are derived again, the same, once they were let go', () => {
    const keys = createTenantKeys({ rootSecret, tenantsMax: 2 });
    const ids = ['a', 'b', 'c', 'd'].map(tenant => keys.authorId(tenant, 'Ann'));
    expect(['a', 'b', 'c', 'd'].map(tenant => keys.authorId(tenant, 'Ann'))).toEqual(ids);
  });

  it('are not derived from a secret that is too short', () => {
    expect(() => createTenantKeys({ rootSecret: new Uint8Array(31) })).toThrow(RangeError);
  });
});
