/** The stored shapes of a tenant's events, by schema number. */
import { z } from 'zod';
import type { TenantEvent } from '../domain/tenant/events.ts';
import type { EventSchemas } from './event-schemas.ts';

const subjectErased1 = z.object({ subject: z.string(), by: z.string(), reason: z.string() });

const apiKeyCreated1 = z.object({
  keyId: z.string(),
  name: z.string(),
  role: z.enum(['agent', 'supervisor', 'auditor', 'bot', 'service']),
  hash: z.string(),
});
const apiKeyRevoked1 = z.object({ keyId: z.string() });

export const tenantEventSchemas = {
  SubjectErased: { current: subjectErased1, older: [] },
  ApiKeyCreated: { current: apiKeyCreated1, older: [] },
  ApiKeyRevoked: { current: apiKeyRevoked1, older: [] },
} as const satisfies EventSchemas<TenantEvent>;
