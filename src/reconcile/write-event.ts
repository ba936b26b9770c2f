import type { Clock } from '../domain/clock.ts';
import { toTidepoolError } from '../domain/errors.ts';
import type { NewEvent } from '../domain/event.ts';
import type { Store } from '../domain/store.ts';
import type { Changes } from './changes.ts';

/** What writing an event takes. */
export interface EventParts {
  readonly store: { readonly events: Pick<Store['events'], 'append'> };
  readonly clock: Clock;
  readonly changes: Changes;
  log(message: string): void;
}

/**
 * Writes an event and wakes whoever follows them. The one way in which events are written. An event tells of what was
 * done: one that cannot be written is logged, and never fails or interrupts the step that it tells of.
 */
export async function writeEvent(parts: EventParts, event: Omit<NewEvent, 'atMs'>): Promise<void> {
  try {
    await parts.store.events.append({ ...event, atMs: parts.clock.now() });
  } catch (error) {
    parts.log(`an event of ${event.pool} could not be written (${event.name}): ${toTidepoolError(error).message}`);
  }
  parts.changes.notify('events');
}
