/** The bounds of the MongoDB adapters where nobody sets others. */
export const MONGODB_LIMITS = {
  /** One operation, with finding a server and the driver's one retry; a commit is one. */
  timeoutMs: 5_000,
  /** Connections to each server that one process holds. */
  poolMax: 32,
  /** How old what a secondary shows may be, in seconds: the driver's least. */
  lagSecondsMax: 90,
} as const;
