import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { ApiError, responseError } from '../api/client.ts';

/** `lost`: it broke and is tried again. */
export type StreamState = 'connecting' | 'open' | 'lost' | 'ended';

const firstPauseMs = 1_000;
const longestPauseMs = 15_000;
/** The server says something every 15 seconds. */
const silenceMs = 40_000;

export interface StreamOptions {
  /** Address of the stream, the first time and every other. */
  readonly url: string;
  /** Where to go on; undefined: where the server begins by itself. */
  readonly from?: string | undefined;
  readonly signal: AbortSignal;
  /** Says true when the stream has come to its end. */
  onEvent(event: EventSourceMessage): boolean;
  onState(state: StreamState): void;
}

/**
 * Follows server-sent events until their end or the signal; goes on after the last one whenever the connection breaks.
 * Throws ApiError when the server refuses.
 */
export async function followStream({ url, from, signal, onEvent, onState }: StreamOptions): Promise<void> {
  let lastId = from;
  let pauseMs = firstPauseMs;
  onState('connecting');
  while (!signal.aborted) {
    try {
      const isEnd = await readOnce(url, lastId, signal, (event) => {
        pauseMs = firstPauseMs;
        lastId = event?.id ?? lastId;
        if (event === undefined) onState('open');
        return event === undefined ? false : onEvent(event);
      });
      if (isEnd) return onState('ended');
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status < 500) throw error;
    }
    onState('lost');
    await pause(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  }
}

/** @param told of every event, and of nothing once when the connection stands. Gives whether the stream has ended. */
async function readOnce(
  url: string,
  lastId: string | undefined,
  signal: AbortSignal,
  told: (event: EventSourceMessage | undefined) => boolean,
): Promise<boolean> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), silenceMs);
  try {
    const response = await fetch(url, {
      headers: { accept: 'text/event-stream', ...(lastId === undefined ? {} : { 'last-event-id': lastId }) },
      signal: AbortSignal.any([signal, silence.signal]),
    });
    if (!response.ok || response.body === null) throw await responseError(response);
    told(undefined);
    let isEnd = false;
    const parser = createParser({
      onEvent(event) {
        isEnd ||= told(event);
      },
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    while (!isEnd) {
      const { value, done } = await reader.read();
      if (done) return false;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), silenceMs);
      parser.feed(value);
    }
    await reader.cancel();
    return true;
  } finally {
    clearTimeout(timer);
  }
}

/** Waits, shorter when the browser finds a network again. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      window.removeEventListener('online', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    window.addEventListener('online', done);
    signal.addEventListener('abort', done);
  });
}
