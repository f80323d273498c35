import { describe, it } from 'vitest';
import { tenantDecider } from '../../src/domain/tenant/decider.ts';
import type { TenantCommand } from '../../src/domain/tenant/commands.ts';
import type { TenantEvent } from '../../src/domain/tenant/events.ts';
import { createSpecification } from '../support/decider-specification.ts';

const { given } = createSpecification(tenantDecider);
const BY_OFFICER = { actor: { id: 'officer-3', role: 'supervisor' } } as const;
const erase: TenantCommand = { type: 'EraseSubject', data: { subject: 'ann', reason: 'asked to' } };
const erased: TenantEvent = { type: 'SubjectErased', data: { subject: 'ann', by: 'officer-3', reason: 'asked to' } };

describe('Erasing a subject', () => {
  it('is recorded, with who asked for it and why', () => {
    given().when(erase, BY_OFFICER).then(erased);
  });

  it('is done once: again changes nothing, whatever the reason', () => {
    const again: TenantCommand = { type: 'EraseSubject', data: { subject: 'ann', reason: 'asked again' } };
    given({ event: erased, by: BY_OFFICER }).when(again, BY_OFFICER).then();
  });

  it('of another is another', () => {
    const other: TenantCommand = { type: 'EraseSubject', data: { subject: 'bob', reason: 'asked to' } };
    given({ event: erased, by: BY_OFFICER })
      .when(other, BY_OFFICER)
      .then({ type: 'SubjectErased', data: { subject: 'bob', by: 'officer-3', reason: 'asked to' } });
  });

  it.each(['visitor', 'agent', 'auditor', 'bot'] as const)('is not for a %s', role => {
    given()
      .when(erase, { actor: { id: 'somebody', role } })
      .rejects('forbidden');
  });

  it('is for a service', () => {
    given()
      .when(erase, { actor: { id: 'officer-3', role: 'service' } })
      .then(erased);
  });
});
