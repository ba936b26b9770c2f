import { createReadStream } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { Runtime } from '../domain/image.ts';
import { folders, withCacheLock, withWorkFolder } from './cache.ts';
import { commandRunner } from './command.ts';
import { type HostFacts, readHostFacts } from './host.ts';
import { unpackPackages } from './mmdebstrap.ts';
import { forwardOnly, type ReportProgress } from './progress.ts';
import { contentId } from './recipe.ts';
import { type BuiltInRuntime, type RuntimeRecipe, runtimeRecipes } from './runtime-recipe.ts';
import { findRuntime, runtimeFiles } from './runtime-store.ts';
import { compression, makeSquashfs } from './squashfs.ts';
import { publishResult } from './whole-files.ts';

/** Counts up when the way of building changes what comes out. */
const runtimeFormat = 1;

export interface BuildRuntimeOptions {
  readonly cacheDir: string;
  readonly clock: Clock;
  readonly progress?: ReportProgress;
  readonly signal?: AbortSignal;
  /** For tests: the host as it would be. */
  readonly host?: HostFacts;
}

/** Content address of everything that goes into a built-in runtime. */
export async function runtimeId(name: BuiltInRuntime, host: HostFacts): Promise<string> {
  return contentOf(name, await finishScript(runtimeRecipes[name]), host);
}

function contentOf(name: BuiltInRuntime, finish: string, host: HostFacts): string {
  const recipe = runtimeRecipes[name];
  return contentId({ runtimeFormat, name, recipe, finish, compression, host: [host.distribution, host.architecture] });
}

/** A built-in runtime as this host's packages give it; built when the cache does not have it. Errors as `buildImage`. */
export async function buildRuntime(name: BuiltInRuntime, options: BuildRuntimeOptions): Promise<Runtime> {
  const host = options.host ?? (await readHostFacts());
  const recipe = runtimeRecipes[name];
  const finish = await finishScript(recipe);
  const id = contentOf(name, finish, host);
  const ready = await findRuntime(options.cacheDir, name, id);
  if (ready !== undefined) return ready;
  const progress = forwardOnly(options.progress);
  const onWait = (): void => progress({ step: 'waiting', label: 'waiting for another build to end', fraction: 0 });
  return withCacheLock(options.cacheDir, { signal: options.signal, onWait }, async () => {
    const run = commandRunner(options.clock, options.signal);
    const builtMeanwhile = await findRuntime(options.cacheDir, name, id);
    if (builtMeanwhile !== undefined) return builtMeanwhile;
    await withWorkFolder(options.cacheDir, commandRunner(options.clock), async ({ work, scratch }) => {
      const result = join(work, 'runtime');
      await mkdir(result);
      const tar = join(work, 'root.tar');
      await unpackPackages({
        host,
        packages: recipe.packages,
        finish,
        target: tar,
        scratch,
        run,
        progress: (seen) => progress({ step: 'packages', label: seen.label, fraction: seen.fraction * 0.7 }),
      });
      progress({ step: 'compressing', label: 'compressing', fraction: 0.75 });
      await makeSquashfs(createReadStream(tar), join(result, runtimeFiles.disk), run);
      const about = { name, id, createdAtMs: options.clock.now() };
      const to = join(options.cacheDir, folders.runtimes, `${name}-${id}`);
      await publishResult(result, to, { name: runtimeFiles.about, content: about }, [runtimeFiles.disk]);
    });
    const built = await findRuntime(options.cacheDir, name, id);
    if (built === undefined) throw new TidepoolError('internal', `runtime ${name}-${id} is not where it was put`);
    progress({ step: 'done', label: `runtime ${name} built`, fraction: 1 });
    return built;
  });
}

async function finishScript(recipe: RuntimeRecipe): Promise<string> {
  const source = (name: string): Promise<string> =>
    readFile(fileURLToPath(new URL(`./runtime/${name}`, import.meta.url)), 'utf8');
  const prepare = await source(recipe.prepare);
  return (await source('finish.sh'))
    .replace('@REMOVE@', recipe.remove.join(' '))
    .replace('@LIBRARIES@', recipe.libraries.join(' '))
    .replace('@PREPARE@', () => prepare);
}
