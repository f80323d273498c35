/**
 * Close codes: 40xx may resume with its cursors, 45xx must not come back as it is. The reference in docs/protocol.md and
 * the AsyncAPI document are written from this table.
 */
export const CLOSE = {
  serverError: { code: 4000, reason: 'server error', when: 'something went wrong in the server; it is in its log' },
  shutdown: { code: 4001, reason: 'shutdown', when: 'the node stops, after `drain`' },
  tooSlow: { code: 4002, reason: 'too slow', when: 'not a byte that waits for you drained for 30 s' },
  noHeartbeat: { code: 4004, reason: 'no heartbeat', when: 'you were silent for 33 s, pings unanswered' },
  tokenExpired: { code: 4005, reason: 'token expired', when: 'come back with a new token' },
  rateLimited: { code: 4006, reason: 'rate limited', when: 'too many connections or resumes; come back later' },
  badRequest: { code: 4500, reason: 'bad request', when: 'twenty bad frames a minute, or too much before `hello`' },
  unauthorized: { code: 4501, reason: 'unauthorized', when: 'no valid token, or it was revoked; the reason says more' },
  version: { code: 4506, reason: 'version', when: 'no `verbatim.v1` among your subprotocols' },
} as const satisfies Record<string, Close & { readonly when: string }>;

export interface Close {
  readonly code: number;
  readonly reason: string;
}

/** From here on coming back as one is would change nothing. */
export const TERMINAL_CLOSE_CODE_MIN = 4500;

/** `why` is short and of ours: a reason is read by people at the other end, and holds nothing of a token. */
export function unauthorized(why: string): Close {
  const { code, reason } = CLOSE.unauthorized;
  return { code, reason: `${reason}: ${why}` };
}
