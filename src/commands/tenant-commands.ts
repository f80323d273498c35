/** The tenant as the command handler's aggregate. */
import type { TenantCommand } from '../domain/tenant/commands.ts';
import { tenantDecider } from '../domain/tenant/decider.ts';
import type { TenantEvent } from '../domain/tenant/events.ts';
import type { TenantState } from '../domain/tenant/state.ts';
import { createCommandHandler } from './command-handler.ts';
import type { CommandHandler, CommandHandlerOptions } from './command-handler.ts';
import type { Aggregate } from './decision.ts';

/** The id of a tenant's one stream: `tenant-acme.settings`. */
export const TENANT_STREAM_ID = 'settings';

const tenant: Aggregate<TenantCommand, TenantEvent, TenantState> = {
  category: 'tenant',
  decider: tenantDecider,
  /** Nothing of it is personal. */
  subjectsOf: () => ({}),
};

export function createTenantCommands(
  options: CommandHandlerOptions<TenantEvent>,
): CommandHandler<TenantCommand, TenantState> {
  return createCommandHandler(tenant, options);
}
