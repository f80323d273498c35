/** What the sessions of one node share. */
import type { VerifyToken } from '../auth/tokens.ts';
import type { ConversationCommands } from '../commands/commands.ts';
import type { Claims } from '../domain/claims.ts';
import type { Clock } from '../domain/clock.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Admission } from './admission.ts';
import type { Hub } from './hub.ts';
import type { GatewayLimits } from './limits.ts';
import type { Receipts } from './receipts.ts';
import type { RoomLog } from './room-log.ts';
import type { RoomFolds, RoomTails } from './room-tails.ts';
import type { Timers } from './timers.ts';

export interface GatewayContext {
  readonly hub: Hub;
  readonly roomLog: RoomLog;
  readonly tails: RoomTails;
  readonly folds: RoomFolds | undefined;
  readonly admission: Admission;
  readonly commands: ConversationCommands;
  readonly receipts: Receipts;
  readonly verifyToken: VerifyToken;
  readonly isRevoked: (claims: Claims) => boolean;
  /** The id of the log, named in `hello`, `subscribed` and `reset`. */
  readonly log: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly limits: GatewayLimits;
  readonly logger: Logger;
  readonly newId: () => string;
  /** 0 up to 1. */
  readonly random: () => number;
  readonly counters: GatewayCounters;
}

/** Since the start of the node. */
export interface GatewayCounters {
  fellBehind: number;
  resets: number;
  badFrames: number;
}
