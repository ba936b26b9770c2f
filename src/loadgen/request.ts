import type { RequestOutcome } from '../protocol/recording.ts';

/** One request, from the time at which it is due until it has ended. */
export interface LoadRequest {
  /** Counts up from 1 within a run; what `{n}` stands for. */
  readonly number: number;
  /** When it was due, ms since 1970. Response time counts from here, however late it was really sent. */
  readonly dueMs: number;
  endedMs: number;
  outcome: RequestOutcome;
  /** Who answered, as the answer says it, or else where it was sent; '' when it was sent nowhere. */
  server: string;
  /** It was sent again because its connection had been closed before it was of any use. */
  isRepeated: boolean;
  /** The next one is made when this one has ended. */
  readonly isInLoop: boolean;
}

/** A request that has just become due. */
export function newRequest(number: number, dueMs: number, isInLoop: boolean): LoadRequest {
  return { number, dueMs, endedMs: 0, outcome: 'dropped', server: '', isRepeated: false, isInLoop };
}
