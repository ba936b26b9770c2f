import { useEffect, useRef } from 'react';
import { shownMs } from './use-usage.ts';

/** A reading that is taken again and again, with when it was taken: those of the last minutes, oldest first. */
export function useHistory<T>(reading: T | undefined, atMs: number): readonly (readonly [number, T])[] {
  const kept = useRef<readonly (readonly [number, T])[]>([]);
  useEffect(() => {
    if (reading === undefined || kept.current.at(-1)?.[0] === atMs) return;
    kept.current = [...kept.current, [atMs, reading] as const].filter(([at]) => atMs - at < shownMs);
  }, [reading, atMs]);
  return kept.current;
}
