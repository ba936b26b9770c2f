/** Time as the load client needs it. */
export interface LoadClock {
  /** Milliseconds since 1970, with fractions; never steps back. */
  now(): number;
  /** Runs `fn` once after `ms`; the returned function cancels it. */
  after(ms: number, fn: () => void): () => void;
}
