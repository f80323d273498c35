/** What an event does to the state its tenant decides on. Updates the state in place: the fold owns it. */
import type { Recorded } from '../decider.ts';
import type { TenantEvent } from './events.ts';
import type { TenantState } from './state.ts';

export function initialState(): TenantState {
  return { erased: new Set() };
}

export function evolve(state: TenantState, { event }: Recorded<TenantEvent>): TenantState {
  state.erased.add(event.data.subject);
  return state;
}
