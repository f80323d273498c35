/** `verbatim token`: signs a token with the secret in use and prints it alone, for scripts. */
import { signToken, TOKEN_ROOMS_MAX } from '../auth/tokens.ts';
import type { Config } from '../config/settings.ts';
import type { Role } from '../domain/decider.ts';
import { ID_PATTERN, TENANT_PATTERN } from '../domain/stream-name.ts';
import { CliFailure, EXIT_USAGE } from './failure.ts';
import { findTokenSecret } from './secrets.ts';

export const ROLES = ['visitor', 'agent', 'supervisor', 'auditor', 'bot', 'service'] as const satisfies readonly Role[];
const SECOND_MS = 1_000;
const UNITS_MS: Readonly<Record<string, number>> = { s: SECOND_MS, m: 60_000, h: 3_600_000, d: 86_400_000 };
const LIFE_MS_MAX = 366 * 86_400_000;

export interface TokenRequest {
  readonly tenant: string;
  readonly role: string;
  readonly sub: string;
  /** Comma-separated; a bare id is that of a conversation. */
  readonly rooms?: string;
  /** `30s`, `15m`, `1h`, `7d`. */
  readonly expires: string;
}

export async function createToken(config: Config, request: TokenRequest): Promise<string> {
  const role = ROLES.find(known => known === request.role);
  if (role === undefined) throw usage('--role', request.role, `one of ${ROLES.join(', ')}`);
  if (!ID_PATTERN.test(request.sub)) throw usage('--sub', request.sub, '1 to 128 of A-Z a-z 0-9 . _ ~ -');
  const lifeMs = parseDurationMs(request.expires);
  const secret = await findTokenSecret(config);
  return signToken(secret, {
    sub: request.sub,
    tenant: parseTenant(request.tenant),
    role,
    rooms: parseRooms(request.rooms),
    expiresAt: Date.now() + lifeMs,
  });
}

/** @throws CliFailure a name that no tenant can have */
export function parseTenant(tenant: string): string {
  if (TENANT_PATTERN.test(tenant) && tenant !== 'system') return tenant;
  throw usage('--tenant', tenant, '1 to 63 of a-z 0-9 -, not beginning with -, and not `system`');
}

function parseRooms(list: string | undefined): string[] {
  const rooms = (list ?? '')
    .split(',')
    .map(room => room.trim())
    .filter(room => room !== '')
    .map(room => (room.includes(':') ? room : `conversation:${room}`));
  const bad = rooms.find(room => !/^[a-z]+:[A-Za-z0-9._~-]{1,128}$/.test(room));
  if (bad !== undefined) throw usage('--rooms', bad, 'room names such as conversation:42, separated by commas');
  if (rooms.length > TOKEN_ROOMS_MAX) throw usage('--rooms', `${rooms.length} rooms`, `at most ${TOKEN_ROOMS_MAX}`);
  return rooms;
}

function parseDurationMs(text: string): number {
  const match = /^(\d{1,9})([smhd])$/.exec(text);
  const ms = match ? Number(match[1]) * (UNITS_MS[match[2] ?? ''] ?? 0) : 0;
  if (ms < SECOND_MS || ms > LIFE_MS_MAX)
    throw usage('--expires', text, 'a time from 1s to 366d, such as 30s, 15m, 1h or 7d');
  return ms;
}

function usage(flag: string, value: string, expected: string): CliFailure {
  return new CliFailure(
    'usage',
    `${flag} is ${JSON.stringify(value.slice(0, 200))}: expected ${expected}.`,
    EXIT_USAGE,
  );
}
