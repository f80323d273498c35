/**
 * The receipts of one node: `read` and `delivered` frames become commands, at most one a second for each room, reader
 * and kind, with the highest `seq` that came meanwhile. Nobody waits for them, so a refusal is all that is told; their
 * ids are derived, so that the same receipt on another node, or later, changes nothing.
 */
import { v5 as uuidV5 } from 'uuid';
import type { ConversationCommands } from '../commands/commands.ts';
import type { Actor } from '../domain/decider.ts';
import { RequestError } from '../errors.ts';
import { roomOf } from './room-access.ts';
import type { Timers } from './timers.ts';

/** Between two commands for the same room, reader and kind. */
const RECEIPT_INTERVAL_MS = 1_000;
/** Of the ids of these commands; drawn once, never changed. */
const RECEIPT_NAMESPACE = '3f0f9c52-3c1e-4b0a-9a6e-5d0f6a0c7b21';
/** Rooms, readers and kinds of which a receipt came in the last interval; beyond it a client is told to come back. */
const LANES_MAX = 100_000;
const DRAIN_RETRY_MS = 1_000;

export interface Receipt {
  readonly tenant: string;
  readonly conversation: string;
  readonly reader: Actor;
  readonly kind: 'read' | 'delivered';
  readonly seq: number;
  /** The session it came from. */
  readonly correlationId: string;
  readonly refuse: (error: unknown) => void;
}

/** What came for one room, reader and kind while a command was under way or less than the interval ago. */
interface Lane {
  highest: number;
  waiting: Receipt | undefined;
}

export class Receipts {
  private readonly commands: ConversationCommands;
  private readonly timers: Timers;
  private readonly lanesMax: number;
  private readonly lanes = new Map<string, Lane>();
  private readonly pauses = new Set<() => void>();
  private idleWaiting: (() => void)[] = [];
  private draining = false;

  constructor(commands: ConversationCommands, timers: Timers, lanesMax = LANES_MAX) {
    this.commands = commands;
    this.timers = timers;
    this.lanesMax = lanesMax;
  }

  /** @throws RequestError `rate-limited`, `unavailable` */
  note(receipt: Receipt): void {
    const { tenant, conversation, reader, kind, seq } = receipt;
    if (this.draining)
      throw new RequestError('unavailable', 'This node is going away.', { retryAfterMs: DRAIN_RETRY_MS });
    const key = JSON.stringify([tenant, conversation, reader.id, kind]);
    const lane = this.lanes.get(key);
    if (lane !== undefined) {
      if (seq <= lane.highest) return;
      lane.highest = seq;
      lane.waiting = receipt;
      return;
    }
    if (this.lanes.size >= this.lanesMax)
      throw new RequestError('rate-limited', 'This node has too many receipts under way.', {
        retryAfterMs: RECEIPT_INTERVAL_MS,
      });
    const opened: Lane = { highest: seq, waiting: receipt };
    this.lanes.set(key, opened);
    void this.run(key, opened);
  }

  /** Nothing new is taken, and what waits is issued without a pause. Resolves once all of it is answered. */
  drain(): Promise<void> {
    this.draining = true;
    for (const end of [...this.pauses]) end();
    return this.lanes.size === 0 ? Promise.resolve() : new Promise(resolve => this.idleWaiting.push(resolve));
  }

  private async run(key: string, lane: Lane): Promise<void> {
    while (lane.waiting !== undefined) {
      const { waiting } = lane;
      lane.waiting = undefined;
      await this.issue(waiting, lane);
      await this.pause();
    }
    this.lanes.delete(key);
    if (this.lanes.size === 0) for (const resolve of this.idleWaiting.splice(0)) resolve();
  }

  private async issue(receipt: Receipt, lane: Lane): Promise<void> {
    const { tenant, conversation, reader, kind, seq, correlationId, refuse } = receipt;
    const name = [roomOf(conversation), reader.id, kind, seq];
    const command = { type: kind === 'read' ? 'MarkRead' : 'MarkDelivered', data: { seq } } as const;
    const handle = (commandId: string) =>
      this.commands.handle({ tenant, id: conversation, commandId, actor: reader, correlationId, command });
    try {
      await handle(receiptId(name)).catch((error: unknown) => {
        if (!(error instanceof RequestError) || error.code !== 'idempotency-mismatch') throw error;
        // Anybody can derive the id, and use it for something else first; a session's own id only its client knows.
        return handle(receiptId([...name, correlationId]));
      });
    } catch (error) {
      // What was refused must not hide a lower one that would not be.
      lane.highest = lane.waiting?.seq ?? -1;
      refuse(error);
    }
  }

  private pause(): Promise<void> {
    if (this.draining) return Promise.resolve();
    return new Promise(resolve => {
      const end = () => {
        this.pauses.delete(end);
        stop();
        resolve();
      };
      const stop = this.timers.after(RECEIPT_INTERVAL_MS, end);
      this.pauses.add(end);
    });
  }
}

function receiptId(name: readonly (string | number)[]): string {
  return uuidV5(JSON.stringify(name), RECEIPT_NAMESPACE);
}
