/** The wire shapes of a tenant's commands. Unknown fields are stripped, and nothing is defaulted. */
import { z } from 'zod';
import type { TenantCommand } from '../domain/tenant/commands.ts';
import { opaqueId, personId, textUpTo } from './text.ts';

const REASON_UNITS_MAX = 1_000;
const KEY_NAME_UNITS_MAX = 100;

export const apiKeyName = textUpTo(KEY_NAME_UNITS_MAX).min(1);
export const apiKeyRole = z.enum(['agent', 'supervisor', 'auditor', 'bot', 'service']);

export const tenantCommandSchemas = {
  EraseSubject: z.object({ subject: personId, reason: textUpTo(REASON_UNITS_MAX).min(1) }),
  CreateApiKey: z.object({ keyId: opaqueId, name: apiKeyName, role: apiKeyRole, hash: z.string() }),
  RevokeApiKey: z.object({ keyId: opaqueId }),
} as const satisfies {
  [Type in TenantCommand['type']]: z.ZodType<Extract<TenantCommand, { type: Type }>['data']>;
};
