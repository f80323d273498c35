import { describe, expect, it } from 'vitest';
import type { Actor, Role } from '../../src/domain/decider.ts';
import { tenantDecider } from '../../src/domain/tenant/decider.ts';
import type { TenantCommand } from '../../src/domain/tenant/commands.ts';
import type { TenantEvent } from '../../src/domain/tenant/events.ts';
import { createSpecification } from '../support/decider-specification.ts';

const { fold, given } = createSpecification(tenantDecider);
const by = (role: Role) => ({ actor: { id: 'ops', role } satisfies Actor });
const key = (keyId: string) => ({ keyId, name: 'CRM', role: 'bot', hash: 'h' }) as const;
const create = (keyId: string): TenantCommand => ({ type: 'CreateApiKey', data: key(keyId) });
const revoke = (keyId: string): TenantCommand => ({ type: 'RevokeApiKey', data: { keyId } });
const created = (keyId: string) => ({
  event: { type: 'ApiKeyCreated', data: key(keyId) } satisfies TenantEvent,
  by: by('service'),
});
const revoked = (keyId: string) => ({
  event: { type: 'ApiKeyRevoked', data: { keyId } } satisfies TenantEvent,
  by: by('service'),
});

describe('the API keys of a tenant', () => {
  it('are made and revoked by role service', () => {
    given().when(create('a'), by('service')).then(created('a').event);
    given(created('a')).when(revoke('a'), by('service')).then(revoked('a').event);
  });

  it.each<Role>(['visitor', 'agent', 'supervisor', 'auditor', 'bot'])('are not for a %s', role => {
    given().when(create('a'), by(role)).rejects('forbidden');
    given(created('a')).when(revoke('a'), by(role)).rejects('forbidden');
  });

  it('have each its own id, for ever', () => {
    given(created('a')).when(create('a'), by('service')).rejects('key-exists');
    given(created('a'), revoked('a')).when(create('a'), by('service')).rejects('key-exists');
  });

  it('are revoked once; again changes nothing, and one that never was is unknown', () => {
    given(created('a'), revoked('a')).when(revoke('a'), by('service')).then();
    given(created('a')).when(revoke('b'), by('service')).rejects('unknown-key');
  });

  it('are at most 1,000 in force', () => {
    const many = Array.from({ length: 1_000 }, (_, i) => created(`k${i}`));
    given(...many)
      .when(create('one-more'), by('service'))
      .rejects('too-many-keys');
    given(...many, revoked('k7'))
      .when(create('one-more'), by('service'))
      .then(created('one-more').event);
  });

  it('say who made them and since when they are revoked', () => {
    const { apiKeys } = fold([created('a'), revoked('a'), created('b')]).state;
    expect(apiKeys.get('a')).toMatchObject({ createdBy: 'ops', createdAt: 0, revokedAt: 1_000 });
    expect(apiKeys.get('b')).toMatchObject({ createdAt: 2_000, revokedAt: undefined });
  });
});
