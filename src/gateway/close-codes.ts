/** Close codes: 40xx may resume with its cursors, 45xx must not come back as it is (docs/protocol.md). */
export const CLOSE = {
  serverError: { code: 4000, reason: 'server error' },
  shutdown: { code: 4001, reason: 'shutdown' },
  tooSlow: { code: 4002, reason: 'too slow' },
  noHeartbeat: { code: 4004, reason: 'no heartbeat' },
  tokenExpired: { code: 4005, reason: 'token expired' },
  rateLimited: { code: 4006, reason: 'rate limited' },
  badRequest: { code: 4500, reason: 'bad request' },
  forbidden: { code: 4503, reason: 'forbidden' },
  version: { code: 4506, reason: 'version' },
} as const satisfies Record<string, Close>;

export interface Close {
  readonly code: number;
  readonly reason: string;
}

/** `why` is short and of ours: a reason is read by people at the other end, and holds nothing of a token. */
export function unauthorized(why: string): Close {
  return { code: 4501, reason: `unauthorized: ${why}` };
}
