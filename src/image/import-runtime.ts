import { mkdir } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { Runtime } from '../domain/image.ts';
import { isLayered } from '../domain/requirements.ts';
import { folders, withCacheLock, withWorkFolder } from './cache.ts';
import { commandRunner, type RunCommand } from './command.ts';
import { unpackDockerArchive } from './oci/docker-archive.ts';
import { defaultImageLimits, type ImageLimits, readLayers } from './oci/layers.ts';
import { mergedTar } from './oci/merged-tar.ts';
import { imageProcess } from './oci/process.ts';
import { type ImageSource, openDockerArchive, openOciLayout } from './oci/source.ts';
import { forwardOnly, type ReportProgress } from './progress.ts';
import { contentId } from './recipe.ts';
import { runtimeRecipes } from './runtime-recipe.ts';
import {
  type AboutRuntime,
  findRuntime,
  forgetRuntime,
  listRuntimes,
  runtimeFiles,
  runtimeIds,
} from './runtime-store.ts';
import { makeSquashfs } from './squashfs.ts';
import { publishResult } from './whole-files.ts';

/** Counts up when what comes out of the same image changes. */
const importFormat = 1;
/** Each is a disk of every VM, whose places for disks are few. */
const maxRuntimes = 16;

/** Where an image is: absolute paths. */
export type ImageOrigin =
  | BuiltImage
  /** Makes the image first, in a folder that is there, and removed when the runtime is made. */
  | {
      readonly kind: 'build';
      build(work: string, run: RunCommand, report: (line: string) => void): Promise<BuiltImage>;
    };
type BuiltImage =
  | { readonly kind: 'docker-archive'; readonly file: string }
  | { readonly kind: 'oci'; readonly folder: string };

export interface ImportOptions {
  readonly cacheDir: string;
  readonly clock: Clock;
  readonly progress?: ReportProgress;
  readonly signal?: AbortSignal;
  readonly limits?: ImageLimits;
  /** The processor of workers, in Go's words; this machine's unless given. */
  readonly architecture?: string;
}

/**
 * Makes a runtime of a container image, once. Errors: `invalid` (name, image), `conflict` (the name means another image),
 * `too_large`, `exhausted` (too many runtimes), `upstream` (the build failed), `aborted`.
 */
export async function importRuntime(name: string, origin: ImageOrigin, options: ImportOptions): Promise<Runtime> {
  checkName(name);
  const { cacheDir, clock, signal, limits = defaultImageLimits } = options;
  const progress = forwardOnly(options.progress);
  const onWait = (): void => progress({ step: 'waiting', label: 'waiting for another build to end', fraction: 0 });
  return withCacheLock(cacheDir, { signal, onWait }, async () => {
    await checkRoom(cacheDir, name);
    const run = commandRunner(clock, signal);
    return withWorkFolder(cacheDir, commandRunner(clock), async ({ work }) => {
      const told = (line: string): void => progress({ step: 'building', label: line, fraction: 0.1 });
      const source = await openOrigin(origin, {
        work,
        run,
        told,
        limits,
        architecture: options.architecture ?? goArch(),
      });
      const id = contentId({ importFormat, image: source.id });
      const known = await findRuntime(cacheDir, name, id);
      if (known !== undefined) return known;
      await checkMeaning(cacheDir, name, id);
      progress({ step: 'reading', label: `reading ${source.layers.length} layers`, fraction: 0.3 });
      const tree = await readLayers(source.layers, limits);
      const image = await imageProcess(source.config, tree, source.layers);
      progress({ step: 'compressing', label: 'compressing', fraction: 0.6 });
      const result = join(work, 'runtime');
      await mkdir(result);
      await makeSquashfs(mergedTar(tree, source.layers), join(result, runtimeFiles.disk), run);
      const about: AboutRuntime = { createdAtMs: clock.now(), image };
      await forgetRuntime(cacheDir, name, id);
      const to = join(cacheDir, folders.runtimes, `${name}-${id}`);
      await publishResult(result, to, { name: runtimeFiles.about, content: { name, id, ...about } }, [
        runtimeFiles.disk,
      ]);
      const made = await findRuntime(cacheDir, name, id);
      if (made === undefined) throw new TidepoolError('internal', `runtime ${name}-${id} is not where it was put`);
      progress({ step: 'done', label: `runtime ${name} added`, fraction: 1 });
      return made;
    });
  });
}

function checkName(name: string): void {
  if (!/^[a-z][a-z0-9-]{0,15}$/.test(name)) {
    throw new TidepoolError(
      'invalid',
      `${JSON.stringify(name)} cannot name a runtime: up to 16 lower-case letters, digits, dashes`,
    );
  }
  if (isLayered(name))
    throw new TidepoolError('invalid', `names like ${name} are of runtimes with requirements; take another`);
  if (Object.hasOwn(runtimeRecipes, name))
    throw new TidepoolError('invalid', `the runtime ${name} is built in; take another name`);
}

async function checkRoom(cacheDir: string, name: string): Promise<void> {
  const names = new Set([
    ...Object.keys(runtimeRecipes),
    ...(await listRuntimes(cacheDir)).map((one) => one.name).filter((one) => !isLayered(one)),
  ]);
  if (names.has(name) || names.size < maxRuntimes) return;
  throw new TidepoolError(
    'exhausted',
    `there are ${names.size} runtimes already, the most that a VM can have; remove one first`,
  );
}

/** VMs know a runtime by its name, so what it once meant it always means. */
async function checkMeaning(cacheDir: string, name: string, id: string): Promise<void> {
  const others = (await runtimeIds(cacheDir, name)).filter((other) => other !== id);
  if (others.length === 0) return;
  const text = `the name ${name} means another image, or did; VMs may still have that one. Take another name, as ${name}-2`;
  throw new TidepoolError('conflict', text);
}

interface OriginContext {
  readonly work: string;
  readonly run: RunCommand;
  readonly limits: ImageLimits;
  readonly architecture: string;
  told(line: string): void;
}

async function openOrigin(origin: ImageOrigin, context: OriginContext): Promise<ImageSource> {
  const { work, run, limits, architecture, told } = context;
  if (origin.kind === 'oci') return openOciLayout(origin.folder, architecture);
  const folder = join(work, origin.kind);
  await mkdir(folder);
  if (origin.kind === 'build') return openOrigin(await origin.build(folder, run, told), context);
  return openDockerArchive(await unpackDockerArchive(origin.file, folder, limits), architecture);
}

function goArch(): string {
  return arch() === 'x64' ? 'amd64' : arch();
}
