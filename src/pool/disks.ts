import type { Runtime } from '../domain/image.ts';
import { maxSharedDisks } from '../domain/machine-spec.ts';
import { isLayered } from '../domain/requirements.ts';

/**
 * The runtimes that a new VM gets, as many as a machine has places for: all that have a name of their own, then those with
 * requirements on top, the preferred ones first. Pure.
 * @param preferred names, the most wanted first
 */
export function newVmRuntimes(all: readonly Runtime[], preferred: readonly string[]): Runtime[] {
  const named = all.filter(({ name }) => !isLayered(name));
  const layered = all.filter(({ name }) => isLayered(name));
  const rank = ({ name }: Runtime): number => {
    const place = preferred.indexOf(name);
    return place === -1 ? preferred.length : place;
  };
  return [...named, ...layered.sort((a, b) => rank(a) - rank(b))].slice(0, maxSharedDisks);
}
