import { EventSourceParserStream } from 'eventsource-parser/stream';
import { TidepoolError } from '../domain/errors.ts';
import { type EventView, eventSchema } from '../protocol/api.ts';
import type { ApiClient } from './client.ts';

const reconnectPauseMs = 500;
const reconnectTries = 120;

/** `tidepool events`: the newest, one a line. */
export async function eventList(client: ApiClient, options: { limit: string; json?: boolean }): Promise<string> {
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1)
    throw new TidepoolError('invalid', `--limit ${options.limit} is not a whole number from 1`);
  const events = await client.events(limit);
  return events.map((event) => formatEvent(event, options.json === true)).join('\n');
}

/**
 * `tidepool events --follow`: each event as it happens, through restarts of the server, until the signal fires.
 * @param sleep waits the given milliseconds
 */
export async function followEvents(
  client: ApiClient,
  onEvent: (event: EventView) => void,
  sleep: (ms: number) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  let after: number | undefined;
  let triesLeft = reconnectTries;
  while (signal?.aborted !== true) {
    try {
      for await (const event of streamEvents(client, after, signal)) {
        onEvent(event);
        after = event.id;
        triesLeft = reconnectTries;
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (triesLeft <= 0 || (error instanceof TidepoolError && error.code !== 'unavailable')) throw error;
    }
    triesLeft -= 1;
    await sleep(reconnectPauseMs);
  }
}

/** Events after the one with this id (without it, those from now on), until the server ends the stream. */
export async function* streamEvents(
  client: ApiClient,
  after: number | undefined,
  signal?: AbortSignal,
): AsyncGenerator<EventView> {
  const text = (await client.eventStream(after, signal)).pipeThrough(
    new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>,
  );
  for await (const message of text.pipeThrough(new EventSourceParserStream())) {
    yield eventSchema.parse(JSON.parse(message.data));
  }
}

/** An event as a line: time, name, VM or pool, and what happened. Pure. */
export function formatEvent(event: EventView, asJson: boolean): string {
  if (asJson) return JSON.stringify(event);
  const time = new Date(event.atMs).toISOString().slice(11, 23);
  return `${time}  ${event.name.padEnd(14)}  ${(event.vm ?? event.pool).padEnd(16)}  ${event.text}`;
}
