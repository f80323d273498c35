/**
 * Names of streams: `<category>-<tenant>.<id>`. Category `[a-z][a-zA-Z]*`, tenant `[a-z0-9][a-z0-9-]{0,62}` without a
 * dot, id 1 to 128 of `[A-Za-z0-9._~-]`. So `conversation-acme.` is an unambiguous prefix of one tenant's conversations.
 */

export const TENANT_PATTERN = /^[a-z0-9][a-z0-9-]{0,62}$/;
export const ID_PATTERN = /^[A-Za-z0-9._~-]{1,128}$/;

export function streamName(category: string, tenant: string, id: string): string {
  return `${category}-${tenant}.${id}`;
}
