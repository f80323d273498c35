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

export interface Unsealed {
  readonly tenant: string;
  /** The event's data, as JSON will hold it. Not changed: sealing makes a copy. */
  readonly data: object;
  readonly fields: readonly SealField[];
}

export interface Sealed {
  readonly tenant: string;
  /** Freshly parsed JSON that nobody else holds: opening may change it in place. A sealed value names its own subject. */
  readonly data: object;
  /** Where sealed values may stand. */
  readonly paths: readonly (readonly string[])[];
}

export interface Codec {
  /** Kept in the log's identity: `plain`, … */
  readonly name: string;
  /** Data to store, in the order given. @throws Rejection `erased` where a subject's key was destroyed */
  seal(batch: readonly Unsealed[]): Promise<readonly object[]>;
  /** Data as it was, in the order given; the value of a field whose key was destroyed reads as erased, without an error. */
  open(batch: readonly Sealed[]): Promise<readonly object[]>;
}
