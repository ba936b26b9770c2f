import { useEffect, useSyncExternalStore } from 'react';
import type { EventView } from '../../protocol/api.ts';
import { ApiError, answer, api } from '../api/client.ts';
import { queries } from '../api/queries.ts';
import { keptEvents } from './alerts.ts';
import { followStream, type StreamState } from './stream.ts';

interface Live {
  readonly state: StreamState;
  /** Newest first. */
  readonly events: readonly EventView[];
}

let live: Live = { state: 'connecting', events: [] };
const listeners = new Set<() => void>();

function set(change: Partial<Live>): void {
  live = { ...live, ...change };
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** What happened to the cloud, and whether we still hear of it. */
export function useLive(): Live {
  return useSyncExternalStore(subscribe, () => live);
}

/** Keeps the one stream of events of this page open while it is shown; what it tells of is asked for anew. */
export function useEventStream(): void {
  useEffect(() => {
    let following: AbortController | undefined;
    const stop = (): void => following?.abort();
    const start = (): void => {
      stop();
      following = new AbortController();
      void follow(following.signal);
    };
    // A browser has few connections to a server: those of tabs that nobody sees are given back.
    const onVisibility = (): void => (document.hidden ? stop() : start());
    if (!document.hidden) start();
    document.addEventListener('visibilitychange', onVisibility);
    return () => {
      document.removeEventListener('visibilitychange', onVisibility);
      stop();
      live = { state: 'connecting', events: [] };
    };
  }, []);
}

async function follow(signal: AbortSignal): Promise<void> {
  try {
    const last = await firstEvents(signal);
    if (signal.aborted) return;
    await followStream({
      url: '/api/v1/events/stream',
      from: last,
      signal,
      onState: (state) => set({ state }),
      onEvent({ data }) {
        set({ events: keptEvents([JSON.parse(data) as EventView, ...live.events]) });
        for (const key of ['vms', 'pools', 'services']) void queries.invalidateQueries({ queryKey: [key] });
        return false;
      },
    });
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) queries.setQueryData(['account'], null);
    else if (!signal.aborted) set({ state: 'lost' });
  }
}

/** The newest events there are, and the alerts before them; gives where their stream goes on. */
async function firstEvents(signal: AbortSignal): Promise<string | undefined> {
  const limit = 200;
  const known = live.events[0]?.id;
  if (known !== undefined) return String(known);
  for (;;) {
    try {
      const ask = async (name?: string): Promise<readonly EventView[]> =>
        (await answer(api.GET('/api/v1/events', { params: { query: { limit, name } }, signal }))).events;
      const [events, alerts] = await Promise.all([ask(), ask('alert.raised,alert.cleared')]);
      const firstId = events[0]?.id ?? Number.POSITIVE_INFINITY;
      const earlier = alerts.filter(({ id }) => id < firstId);
      set({ events: [...earlier, ...events].reverse() });
      return String(events.at(-1)?.id ?? 0);
    } catch (error) {
      if (signal.aborted || !(error instanceof ApiError) || error.status !== 0) throw error;
      set({ state: 'lost' });
      await new Promise((resolve) => setTimeout(resolve, 2_000));
    }
  }
}
