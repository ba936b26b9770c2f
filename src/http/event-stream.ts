import { type EventFilter, matches } from '../domain/event.ts';
import type { HttpContext } from './context.ts';
import { quietWait, sse } from './sse.ts';

const batch = 200;

/** Events after `afterId` that match as server-sent events, for ever; each one's SSE id is where to go on. */
export async function* followEvents(
  context: HttpContext,
  afterId: number,
  filter: EventFilter,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const { store, changes, clock } = context.jobs;
  const subscription = changes.subscribe('events');
  let lastId = afterId;
  try {
    // Something at once, so that the follower knows that it is connected.
    yield ': following\n\n';
    while (!signal.aborted) {
      const events = await store.events.after(lastId, batch);
      for (const event of events) {
        if (matches(event, filter)) yield sse(event.name, JSON.stringify(event), String(event.id));
        lastId = event.id;
      }
      if (events.length > 0) continue;
      const filler = await quietWait(clock, subscription, signal);
      if (filler !== '') yield filler;
    }
  } finally {
    subscription.close();
  }
}
