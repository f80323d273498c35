/** What a tenant answers to a command. */
import type { DecisionContext } from '../decider.ts';
import type { EraseSubject, TenantCommand } from './commands.ts';
import type { TenantEvent } from './events.ts';
import { forbidden } from './rejections.ts';
import type { TenantState } from './state.ts';

export function decide(command: TenantCommand, state: TenantState, context: DecisionContext): readonly TenantEvent[] {
  return erase(command, state, context);
}

/** Erased is erased: a second time changes nothing. */
function erase({ data }: EraseSubject, state: TenantState, { actor }: DecisionContext): TenantEvent[] {
  if (actor.role !== 'supervisor' && actor.role !== 'service') throw forbidden(actor, 'erase a subject');
  if (state.erased.has(data.subject)) return [];
  return [{ type: 'SubjectErased', data: { subject: data.subject, by: actor.id, reason: data.reason } }];
}
