import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { Clock } from '../domain/clock.ts';
import type { Subscription } from '../reconcile/changes.ts';
import { withDeadline } from '../reconcile/deadline.ts';

/** A comment line on a quiet stream, so that dead connections are noticed on both sides. */
const keepAliveMs = 15_000;

/** One server-sent event (WHATWG HTML, 9.2). */
export function sse(event: string, data: string, id?: string): string {
  return `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${data}\n\n`;
}

/** Answers with events as they come. @param follow ends when its signal fires: the asker has gone */
export function sendEvents(reply: FastifyReply, follow: (gone: AbortSignal) => AsyncGenerator<string>): FastifyReply {
  const gone = new AbortController();
  reply.raw.on('close', () => gone.abort());
  return reply
    .header('content-type', 'text/event-stream')
    .header('cache-control', 'no-store')
    .header('x-accel-buffering', 'no')
    .send(Readable.from(follow(gone.signal)));
}

/** Waits for a change, or long enough that a keep-alive is due; gives what to send meanwhile, often nothing. */
export async function quietWait(clock: Clock, subscription: Subscription, signal: AbortSignal): Promise<string> {
  let isQuiet = false;
  await withDeadline(clock, keepAliveMs, signal, async (limited) => {
    await subscription.wait(limited);
    isQuiet = limited.aborted && !signal.aborted;
  });
  return isQuiet ? ': keep-alive\n\n' : '';
}
