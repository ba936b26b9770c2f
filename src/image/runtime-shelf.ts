import type { Clock } from '../domain/clock.ts';
import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import type { Runtime, RuntimeBuild, RuntimeShelf } from '../domain/image.ts';
import { isLayered, type PipSource } from '../domain/requirements.ts';
import { BuildFailures } from './build-failures.ts';
import { buildRuntime } from './build-runtime.ts';
import type { ReportProgress } from './progress.ts';
import { buildLayered } from './requirements/build.ts';
import { RuntimeList } from './runtime-list.ts';
import { type BuiltInRuntime, runtimeRecipes } from './runtime-recipe.ts';

/** After a build failed, the next wish for it within this time is answered with the failure. */
const retryAfterMs = 60_000;

/** Maximum number of builds that failed, and are remembered with what pip said. */
const mostRemembered = 200;

interface Build {
  progress: string;
  failedAtMs: number | undefined;
  /** It failed for what was asked for, not for anything that may change. */
  isHopeless: boolean;
}

export interface ShelfOptions {
  readonly cacheDir: string;
  readonly clock: Clock;
  /** Where requirements are installed from; null: they are not. */
  readonly pip: PipSource | null;
  readonly isRoot: boolean;
  /** Ends running builds. */
  readonly signal: AbortSignal;
  log(message: string): void;
  /** Rejects with why nothing large may be written to the disk of the cache now. */
  checkRoom(): Promise<void>;
  /** Something was built. */
  onBuilt(): void;
}

/** A shelf that can be looked at while it works. */
export interface WatchedShelf extends RuntimeShelf {
  builds(): readonly RuntimeBuild[];
}

/** The runtimes in the cache folder; one that is missing is built in the background, each at most once at a time. */
export function runtimeShelf(options: ShelfOptions): WatchedShelf {
  const builds = new Map<string, Build>();
  const { cacheDir, clock, signal } = options;
  const runtimes = new RuntimeList(cacheDir, clock);
  const failures = new BuildFailures(cacheDir, clock, options.log);

  const start = (name: string, what: string, make: (progress: ReportProgress) => Promise<Runtime>): Build => {
    const build: Build = { progress: `${what}: it has begun`, failedAtMs: undefined, isHopeless: false };
    builds.delete(name);
    builds.set(name, build);
    forgetOldest(builds);
    options.log(build.progress);
    const whole = async (report: ReportProgress): Promise<Runtime> => {
      await options.checkRoom();
      return make(report);
    };
    whole((seen) => {
      build.progress = `${what}: ${Math.round(seen.fraction * 100)} %, ${seen.label}`;
    })
      .then(() => {
        builds.delete(name);
        runtimes.forget();
        options.log(`the runtime ${name} is built`);
        options.onBuilt();
        if (isBuiltIn(name)) return failures.succeeded(name);
      })
      .catch((error: unknown) => {
        const { code, message } = toTidepoolError(error);
        build.progress = isLayered(name) ? message : `the runtime ${name} could not be built: ${message}`;
        build.failedAtMs = clock.now();
        build.isHopeless = isLayered(name) && code === 'invalid';
        options.log(build.progress);
        options.onBuilt();
        // The end of the server says nothing of the build.
        if (isBuiltIn(name) && !signal.aborted) return failures.failed(name, build.progress);
      })
      .catch((error: unknown) => options.log(`the runtime ${name}: ${toTidepoolError(error).message}`));
    return build;
  };

  /** The build of a name: the one that runs, or failed not long ago, or a new one. */
  const build = (name: string, what: string, make: (progress: ReportProgress) => Promise<Runtime>): Build => {
    const known = builds.get(name);
    const mayRetry = known?.failedAtMs !== undefined && clock.now() - known.failedAtMs > retryAfterMs;
    return known === undefined || mayRetry ? start(name, what, make) : known;
  };

  /** Newest of each name: machines get that one. */
  const list = (): Promise<readonly Runtime[]> => runtimes.list();
  const allNames = async (): Promise<string[]> => (await list()).map((runtime) => runtime.name);
  /** Why a runtime that cannot be built is not there, with what to do. */
  const lost = async (name: string): Promise<TidepoolError> => {
    const other = (await runtimes.others()).get(name);
    if (other?.state === 'removed') return new TidepoolError('not_found', `the runtime ${name} was removed`);
    const why = other === undefined ? 'is not in the cache any more' : `is damaged: ${other.why}`;
    return new TidepoolError(
      'unavailable',
      `the runtime ${name} ${why}; add it again by ./tidepool runtime add ${name}`,
    );
  };
  const want = async (name: string): Promise<string | undefined> => {
    if ((await allNames()).includes(name)) return undefined;
    if (!isBuiltIn(name)) throw await lost(name);
    const make = (progress: ReportProgress) => buildRuntime(name, { cacheDir, clock, signal, progress });
    const runs = builds.get(name)?.failedAtMs === undefined && builds.has(name);
    const whyNot = runs ? undefined : await failures.whyNot(name);
    if (whyNot !== undefined) return whyNot;
    return build(name, `the runtime ${name} is being built`, make).progress;
  };
  const isRemoved = async (name: string): Promise<boolean> =>
    !isBuiltIn(name) && (await runtimes.others()).get(name)?.state === 'removed';
  return {
    list,
    isRemoved,
    builds: () =>
      [...builds].map(([name, { progress: text, failedAtMs }]) => ({
        name,
        text,
        hasFailed: failedAtMs !== undefined,
      })),
    async names() {
      const damaged = [...(await runtimes.others()).values()].filter(({ state }) => state === 'damaged');
      const askedFor = [...(await allNames()), ...damaged.map(({ name }) => name)].filter((name) => !isLayered(name));
      return [...new Set([...Object.keys(runtimeRecipes), ...askedFor])].sort();
    },
    want,
    async wantLayered(name, recipe) {
      if ((await allNames()).includes(name)) return undefined;
      const { pip, isRoot } = options;
      if (pip === null) return { text: 'nothing is configured to install requirements from', isHopeless: true };
      if (await isRemoved(recipe.base))
        return { text: `the runtime ${recipe.base} of its requirements was removed`, isHopeless: true };
      const base = await want(recipe.base);
      if (base !== undefined) return { text: base, isHopeless: false };
      const { progress, isHopeless } = build(name, 'its requirements are being installed', (report) =>
        buildLayered(name, recipe, { cacheDir, clock, signal, source: pip, isRoot, progress: report }),
      );
      return { text: progress, isHopeless };
    },
    async image(name) {
      if (isBuiltIn(name)) return null;
      const runtime = (await list()).find((one) => one.name === name);
      if (runtime !== undefined) return runtime.image;
      const other = (await runtimes.others()).get(name);
      if (other?.state === 'damaged' && other.image !== undefined) return other.image;
      throw await lost(name);
    },
  };
}

/** Drops what failed first beyond the bound. Builds that run stay. */
function forgetOldest(builds: Map<string, Build>): void {
  const failed = [...builds].filter(([, { failedAtMs }]) => failedAtMs !== undefined);
  for (const [name] of failed.slice(0, Math.max(0, failed.length - mostRemembered))) builds.delete(name);
}

function isBuiltIn(name: string): name is BuiltInRuntime {
  return Object.hasOwn(runtimeRecipes, name);
}
