/**
 * The codec port: what stands between the events of the domain and the log, so that personal fields can be sealed on
 * the way in and opened on the way out. Batches go through whole, so that an adapter fetches each key once a batch.
 * The log keeps the codec's name (see event-store/log-identity.ts): one log is written by one codec.
 */

/** A personal field of one event: where it stands (`*`: every element), and whose key seals it. */
export interface SealField {
  readonly path: readonly string[];
  /** The opaque id of a person, or of a conversation without a visitor. */
  readonly subject: string;
}

/** Where an event stands: what is sealed there opens nowhere else. */
export interface SealPlace {
  readonly tenant: string;
  readonly stream: string;
  /** The event's id. */
  readonly id: string;
}

export interface Unsealed extends SealPlace {
  /** The event's data, as JSON will hold it. Not changed: sealing makes a copy. */
  readonly data: object;
  readonly fields: readonly SealField[];
}

export interface Sealed extends SealPlace {
  /** Freshly parsed JSON that nobody else holds: opening may change it in place. What is sealed names its own subject. */
  readonly data: object;
}

export interface Codec {
  /** Kept in the log's identity: `sealed-v1`, … */
  readonly name: string;
  /** Data to store, in the order given. @throws Rejection `erased` where a subject's key was destroyed */
  seal(batch: readonly Unsealed[]): Promise<readonly object[]>;
  /** Data as it was, in the order given; a field whose key was destroyed is `null`, without an error. */
  open(batch: readonly Sealed[]): Promise<readonly object[]>;
}
