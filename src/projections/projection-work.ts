/** What runs projections offers to whoever holds it, and how it says where it stands. */
import type { Checkpoint } from '../read-store/read-store.ts';

/** Where one projection stands. */
export interface ProjectionStatus {
  readonly name: string;
  readonly generation: number;
  readonly checkpoint: Checkpoint | undefined;
  /**
   * `catching-up`; `live`: at the durable end or close behind; `standby`: another process projects; `retrying`: the store is
   * away; `stopped`: for good, until a restart, and `reason` says why.
   */
  readonly state: 'catching-up' | 'live' | 'standby' | 'retrying' | 'stopped';
  readonly reason?: string;
  /** Behind the log's durable end, estimated from positions; 0 when caught up. */
  readonly lagEvents: number;
  /** Age of the oldest event that is not folded yet, in seconds; 0 when caught up. */
  readonly lagSeconds: number;
  readonly eventsFolded: number;
  readonly batches: number;
  readonly retries: number;
  readonly staleCommits: number;
  /** Documents that stand still because an event could not be folded into them. */
  readonly parkedDocuments: number;
  readonly rebuilding: boolean;
}

export interface WorkProgress {
  /** Positions of the log, or documents while comparing. */
  readonly done: number;
  readonly total: number;
  readonly phase: 'building' | 'comparing' | 'compacting';
}

export interface WorkOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: WorkProgress) => void;
}

export interface RebuildResult {
  readonly projection: string;
  readonly generation: number;
  readonly events: number;
  readonly documents: number;
  readonly ms: number;
}

/** `difference` is the first one in the order of collections and `_id`. Fields are named, contents never shown: they may be personal. */
export interface VerifyResult {
  readonly projection: string;
  readonly position: number;
  readonly documents: number;
  readonly differences: number;
  readonly difference?: {
    readonly collection: string;
    readonly id: string;
    readonly kind: 'missing' | 'unexpected' | 'different';
    /** Paths of the fields that differ: `messages.3.text`. */
    readonly fields: readonly string[];
  };
}

/** Runs in the serving process or apart from it: whoever holds it does not know which. */
export interface ProjectionWork {
  /** @throws RequestError `not-found` for an unknown name, `in-flight` while the same is being worked on */
  rebuild(name: string, options?: WorkOptions): Promise<RebuildResult>;
  verify(name: string, options?: WorkOptions): Promise<VerifyResult>;
  status(): readonly ProjectionStatus[];
}
