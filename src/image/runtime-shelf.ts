import type { Clock } from '../domain/clock.ts';
import { toTidepoolError } from '../domain/errors.ts';
import type { Runtime, RuntimeShelf } from '../domain/image.ts';
import { buildRuntime } from './build-runtime.ts';
import { type BuiltInRuntime, runtimeRecipes } from './runtime-recipe.ts';
import { listRuntimes } from './runtime-store.ts';

/** After a build failed, the next wish for it within this time is answered with the failure. */
const retryAfterMs = 60_000;

interface Build {
  progress: string;
  failedAtMs: number | undefined;
}

export interface ShelfOptions {
  readonly cacheDir: string;
  readonly clock: Clock;
  /** Ends running builds. */
  readonly signal: AbortSignal;
  log(message: string): void;
  /** Something was built. */
  onBuilt(): void;
}

/** The runtimes in the cache folder; a built-in one that is missing is built in the background, each at most once at a time. */
export function runtimeShelf(options: ShelfOptions): RuntimeShelf {
  const builds = new Map<string, Build>();

  const start = (name: BuiltInRuntime): Build => {
    const build: Build = { progress: `the runtime ${name} is being built`, failedAtMs: undefined };
    builds.set(name, build);
    options.log(build.progress);
    const progress = (seen: { label: string; fraction: number }): void => {
      build.progress = `the runtime ${name} is being built: ${Math.round(seen.fraction * 100)} %, ${seen.label}`;
    };
    const { cacheDir, clock, signal } = options;
    buildRuntime(name, { cacheDir, clock, signal, progress })
      .then(() => {
        builds.delete(name);
        options.log(`the runtime ${name} is built`);
        options.onBuilt();
      })
      .catch((error: unknown) => {
        build.progress = `the runtime ${name} could not be built: ${toTidepoolError(error).message}`;
        build.failedAtMs = clock.now();
        options.log(build.progress);
      });
    return build;
  };

  /** Newest of each name: machines get that one. */
  const list = async (): Promise<Runtime[]> => {
    const all = await listRuntimes(options.cacheDir);
    return all.filter((runtime, index) => all.findIndex((other) => other.name === runtime.name) === index);
  };
  const names = async (): Promise<string[]> => (await list()).map((runtime) => runtime.name);
  return {
    list,
    names: async () => [...new Set([...Object.keys(runtimeRecipes), ...(await names())])].sort(),
    async want(name) {
      if ((await names()).includes(name)) return undefined;
      if (!isBuiltIn(name)) return `there is no runtime ${name} any more`;
      const build = builds.get(name);
      const mayRetry = build?.failedAtMs !== undefined && options.clock.now() - build.failedAtMs > retryAfterMs;
      return (build === undefined || mayRetry ? start(name) : build).progress;
    },
  };
}

function isBuiltIn(name: string): name is BuiltInRuntime {
  return Object.hasOwn(runtimeRecipes, name);
}
