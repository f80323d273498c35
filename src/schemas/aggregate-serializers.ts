/** The serializer of each kind of aggregate: its stored shapes behind the codec of the log. */
import type { ConversationEvent } from '../domain/conversation/events.ts';
import type { TenantEvent } from '../domain/tenant/events.ts';
import type { Codec } from '../keyring/codec.ts';
import { conversationEventSchemas } from './conversation-events.ts';
import { createEventSerializer } from './event-serializer.ts';
import type { EventSerializer } from './event-serializer.ts';
import { tenantEventSchemas } from './tenant-events.ts';

export function createConversationSerializer(options: { readonly codec: Codec }): EventSerializer<ConversationEvent> {
  return createEventSerializer<ConversationEvent>({ ...options, schemas: conversationEventSchemas });
}

export function createTenantSerializer(options: { readonly codec: Codec }): EventSerializer<TenantEvent> {
  return createEventSerializer<TenantEvent>({ ...options, schemas: tenantEventSchemas });
}
