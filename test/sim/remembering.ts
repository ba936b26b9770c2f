import type { Store } from '../../src/domain/store.ts';

/** Questions that loops and checks ask many times between two writes. */
const asked = {
  vms: new Set(['list', 'ofPool', 'get']),
  jobs: new Set([
    'holdings',
    'holdingsByWorker',
    'queueUsers',
    'countQueued',
    'get',
    'getMany',
    'queuedOf',
    'runnableOf',
  ]),
};
/** Writes that none of these questions is about. */
const harmless = new Set(['files', 'file', 'attempts', 'newestId', 'countAhead', 'meanRunMs', 'activeRuntimes']);

/**
 * A store that gives the answer to a question again while nothing was written: nine of ten questions of a simulation are asked
 * again without a write in between, and most of its time would go into them. The first after each write goes to the store.
 */
export function remembering(store: Store): Store {
  let version = 0;
  const remembered = new Map<string, { readonly version: number; readonly answer: unknown }>();
  const part = <T extends object>(of: T, name: keyof typeof asked): T => {
    const wrapped: Record<string, unknown> = {};
    for (const [method, value] of Object.entries(of)) {
      if (harmless.has(method)) wrapped[method] = value;
      else if (asked[name].has(method)) {
        wrapped[method] = (...args: unknown[]) => {
          const question = `${name}.${method} ${args.length === 0 ? '' : JSON.stringify(args)}`;
          const known = remembered.get(question);
          if (known?.version === version) return known.answer;
          const answer: unknown = Reflect.apply(value, of, args);
          remembered.set(question, { version, answer });
          return answer;
        };
      } else {
        wrapped[method] = async (...args: unknown[]) => {
          version += 1;
          if (remembered.size > 1_000) remembered.clear();
          try {
            return await Reflect.apply(value, of, args);
          } finally {
            version += 1;
          }
        };
      }
    }
    return wrapped as T;
  };
  return { ...store, vms: part(store.vms, 'vms'), jobs: part(store.jobs, 'jobs') };
}
