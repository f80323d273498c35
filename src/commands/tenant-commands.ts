/** The tenant as the command handler's aggregate. */
import { emptyFold } from '../domain/decider.ts';
import { streamName } from '../domain/stream-name.ts';
import type { TenantCommand } from '../domain/tenant/commands.ts';
import { tenantDecider } from '../domain/tenant/decider.ts';
import type { TenantEvent } from '../domain/tenant/events.ts';
import type { TenantState } from '../domain/tenant/state.ts';
import type { EventStore } from '../event-store/event-store.ts';
import type { EventSerializer } from '../schemas/event-serializer.ts';
import { createCommandHandler } from './command-handler.ts';
import type { CommandHandler, CommandHandlerOptions } from './command-handler.ts';
import type { Aggregate } from './decision.ts';
import { foldStream } from './fold-stream.ts';

/** The id of a tenant's one stream: `tenant-acme.settings`. */
export const TENANT_STREAM_ID = 'settings';

const tenant: Aggregate<TenantCommand, TenantEvent, TenantState> = {
  category: 'tenant',
  decider: tenantDecider,
  /** Nothing of it is personal. */
  subjectsOf: () => ({}),
};

/** A tenant's state at the durable head, from the log itself. @throws what foldStream throws */
export async function readTenant(
  store: Pick<EventStore, 'readStream' | 'streamBounds'>,
  serializer: EventSerializer<TenantEvent>,
  name: string,
): Promise<TenantState> {
  const folded = emptyFold(tenantDecider);
  await foldStream(store, serializer, tenantDecider, streamName(tenant.category, name, TENANT_STREAM_ID), folded);
  return folded.state;
}

export function createTenantCommands(
  options: CommandHandlerOptions<TenantEvent>,
): CommandHandler<TenantCommand, TenantState> {
  return createCommandHandler(tenant, options);
}
