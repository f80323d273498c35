/** Time and ids come from outside: production wires the real ones, tests fakes. */
export interface Clock {
  /** Milliseconds since 1970, UTC. */
  now(): number;
}
