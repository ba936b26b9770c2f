import type { EventView } from '../../protocol/api.ts';

/** How long the failure of a VM is shown as an alert: its pool replaces it by itself, but somebody should know. */
export const failureAlertMs = 10 * 60_000;

/**
 * What somebody should look at, newest first: alerts that were raised and not cleared, and VMs that failed just now. Pure.
 * @param events newest first
 */
export function openAlerts(events: readonly EventView[], nowMs: number): EventView[] {
  const seen = new Set<string>();
  return events.filter((event) => {
    if (event.name === 'vm.failed') return nowMs - event.atMs < failureAlertMs;
    if (!event.name.startsWith('alert.')) return false;
    const about = JSON.stringify([event.pool, event.vm]);
    if (seen.has(about)) return false;
    seen.add(about);
    return event.name === 'alert.raised';
  });
}

const mostEvents = 500;

/** What is kept of events: the newest, and of those before them the alerts, for one of them may be open. Pure. */
export function keptEvents(newestFirst: readonly EventView[]): EventView[] {
  const older = newestFirst.slice(mostEvents).filter(({ name }) => name.startsWith('alert.'));
  return [...newestFirst.slice(0, mostEvents), ...older.slice(0, mostEvents)];
}
