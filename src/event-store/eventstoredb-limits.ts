/** The bounds of the EventStoreDB adapter where nobody sets others. */
export const EVENTSTOREDB_LIMITS = {
  /** One call to the server, one try at connecting. */
  deadlineMs: 5_000,
  /** An append with all its tries, waiting for a connection included. */
  appendTimeoutMs: 15_000,
  /** Tries after the first, of appends and reads. */
  retriesMax: 5,
  /** Appends that are not answered, in bytes; more are refused as unavailable. */
  queueBytesMax: 33_554_432,
  /** Reads under way at once; others wait. */
  readsInFlightMax: 64,
} as const;
