import { useQuery } from '@tanstack/react-query';
import { useRef } from 'react';
import type { UsageView } from '../../protocol/api.ts';
import { answer, api } from '../api/client.ts';

/** How far back curves go. */
export const shownMs = 3 * 60_000;

/** What each VM used in the last minutes, a value a second; asked for anew each second. */
export function useUsage() {
  const known = useRef<UsageView[]>([]);
  return useQuery({
    queryKey: ['usage'],
    refetchInterval: 1_000,
    gcTime: 0,
    queryFn: async () => {
      const lastMs = Math.max(0, ...known.current.flatMap(({ samples }) => samples.at(-1)?.atMs ?? 0));
      const { vms } = await answer(api.GET('/api/v1/usage', { params: { query: { sinceMs: lastMs } } }));
      known.current = merged(known.current, vms);
      return known.current;
    },
  });
}

/** Old samples with new ones behind them; VMs that are gone stay as long as their samples do. Pure. */
export function merged(old: readonly UsageView[], fresh: readonly UsageView[]): UsageView[] {
  const newestMs = Math.max(0, ...[...old, ...fresh].flatMap(({ samples }) => samples.at(-1)?.atMs ?? 0));
  const names = new Set([...old, ...fresh].map(({ vm }) => vm));
  return [...names].flatMap((name) => {
    const before = old.find(({ vm }) => vm === name);
    const now = fresh.find(({ vm }) => vm === name);
    const lastMs = before?.samples.at(-1)?.atMs ?? 0;
    const added = now?.samples.filter(({ atMs }) => atMs > lastMs) ?? [];
    const samples = [...(before?.samples ?? []), ...added].filter(({ atMs }) => newestMs - atMs <= shownMs);
    const view = now ?? (before === undefined ? undefined : { ...before, state: 'gone' });
    return view === undefined || (now === undefined && samples.length === 0) ? [] : [{ ...view, samples }];
  });
}
