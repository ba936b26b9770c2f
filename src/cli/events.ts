import { EventSourceParserStream } from 'eventsource-parser/stream';
import { TidepoolError } from '../domain/errors.ts';
import { type EventView, eventSchema } from '../protocol/api.ts';
import type { ApiClient, EventChoice } from './client.ts';

const reconnectPauseMs = 500;
const reconnectTries = 120;

/** Which events, as the options say it. */
export interface EventOptions extends EventChoice {
  readonly limit: string;
  readonly json?: boolean;
}

/** `tidepool events`: the newest, one a line. */
export async function eventList(client: ApiClient, options: EventOptions): Promise<string> {
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1)
    throw new TidepoolError('invalid', `--limit ${options.limit} is not a whole number from 1`);
  const events = await client.events(limit, choiceOf(options));
  return events.map((event) => formatEvent(event, options.json === true)).join('\n');
}

/** What of the options the server is asked for. */
export function choiceOf({ pool, name }: EventChoice): EventChoice {
  return { ...(pool === undefined ? {} : { pool }), ...(name === undefined ? {} : { name }) };
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
  choice: EventChoice = {},
): Promise<void> {
  let after: number | undefined;
  let triesLeft = reconnectTries;
  while (signal?.aborted !== true) {
    try {
      for await (const event of streamEvents(client, after, signal, choice)) {
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
  choice: EventChoice = {},
): AsyncGenerator<EventView> {
  const text = (await client.eventStream(after, signal, choice)).pipeThrough(
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
  return `${time}  ${event.name.padEnd(14)}  ${(event.vm ?? (event.pool || 'server')).padEnd(16)}  ${event.text}`;
}
