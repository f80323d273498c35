/** Work on a log's own files while it is in use: what the engine on this disk offers beside the port. */

/** Bytes done so far, and in all. */
export interface UpkeepProgress {
  readonly done: number;
  readonly total: number;
}

export interface UpkeepOptions {
  /** The work ends with what it was aborted with. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: UpkeepProgress) => void;
}

export interface ScavengeResult {
  readonly segments: number;
  readonly segmentsRewritten: number;
  readonly eventsDropped: number;
  /** Of the sealed segments' files, before and after. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

export interface BackupResult {
  /** The log's id. */
  readonly log: string;
  /** Everything before it is in the backup. */
  readonly position: number;
  readonly files: number;
  readonly bytes: number;
  /** Of these, copied now; the rest was there from the last time. */
  readonly bytesCopied: number;
}

/** Of the log's own files, since they were opened. */
export interface LogStats {
  /** Whether an append would be taken now, as far as is known. */
  readonly takesAppends: boolean;
  /** Durable events that the index lacks. */
  readonly indexPending: number;
  readonly scavenging: boolean;
  readonly scavengedEvents: number;
  readonly scavengedBytes: number;
}

export interface LogUpkeep {
  /** Gives the disk back what nobody can read any more. @throws UnavailableError while another is running */
  scavenge(options: UpkeepOptions): Promise<ScavengeResult>;
  /** Copies log, keyring and secrets into a folder of this machine. @throws BackupTargetError, UnavailableError */
  backup(target: string, options: UpkeepOptions): Promise<BackupResult>;
}
