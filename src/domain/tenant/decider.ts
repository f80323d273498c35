import type { Decider } from '../decider.ts';
import type { TenantCommand } from './commands.ts';
import { decide } from './decide.ts';
import type { TenantEvent } from './events.ts';
import { evolve, initialState } from './evolve.ts';
import type { TenantState } from './state.ts';

export const tenantDecider: Decider<TenantCommand, TenantEvent, TenantState> = { initialState, decide, evolve };
