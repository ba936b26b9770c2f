import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { Image } from '../domain/image.ts';
import type { AgentBundle } from './bundle-agent.ts';
import { folders, withCacheLock, withWorkFolder } from './cache.ts';
import { commandRunner, type RunCommand } from './command.ts';
import { layOutRoot, makeDisk } from './disk.ts';
import { readGuestFiles, readGuestSource } from './guest-files.ts';
import { type HostFacts, readHostFacts } from './host.ts';
import { findImage, imageFiles } from './image-store.ts';
import { fillModules, initrdArchive } from './initrd.ts';
import { copyKernel, type GuestKernel, installModules, readGuestKernel } from './kernel.ts';
import { forwardOnly, type ReportProgress } from './progress.ts';
import { noteImageUse } from './prune.ts';
import { bootModules, busyboxLinks, contentId, guestPrograms, imageFormat, lateModules } from './recipe.ts';
import { ensureRootfs, rootfsId } from './rootfs.ts';
import { publishResult } from './whole-files.ts';

export interface BuildImageOptions {
  readonly cacheDir: string;
  /** The Node binary that the guest runs, e.g. `node_modules/.bin/node`. */
  readonly nodePath: string;
  readonly agentBundle: AgentBundle;
  readonly clock: Clock;
  readonly progress?: ReportProgress;
  readonly signal?: AbortSignal;
  /** For tests: the host as it would be. */
  readonly host?: HostFacts;
}

/**
 * The golden image for this host, agent and Node; built when the cache does not have it. A new agent costs only
 * the second step, some seconds.
 * Errors: `not_found` (a program is missing), `upstream` (one failed, its last lines in the message), `aborted`.
 */
export async function buildImage(options: BuildImageOptions): Promise<Image> {
  const host = options.host ?? (await readHostFacts());
  const id = await imageId(host, options);
  const progress = forwardOnly(options.progress);
  // Before it is looked for: what was used just now is not removed meanwhile.
  await noteImageUse(options.cacheDir, id, options.clock);
  const ready = await findImage(options.cacheDir, id);
  if (ready !== undefined) return ready;
  const run = commandRunner(options.clock, options.signal);
  const onWait = (): void => progress({ step: 'waiting', label: 'waiting for another build to end', fraction: 0 });
  return withCacheLock(options.cacheDir, { signal: options.signal, onWait }, async () => {
    const builtMeanwhile = await findImage(options.cacheDir, id);
    if (builtMeanwhile !== undefined) return builtMeanwhile;
    const cleanUp = commandRunner(options.clock);
    await withWorkFolder(options.cacheDir, cleanUp, (folder) =>
      build({ ...options, ...folder, host, id, run, progress }),
    );
    const built = await findImage(options.cacheDir, id);
    if (built === undefined) throw new TidepoolError('internal', `image ${id} is not where it was put`);
    return built;
  });
}

/** Content address of everything that goes into the image. */
export async function imageId(host: HostFacts, options: BuildImageOptions): Promise<string> {
  return contentId({
    imageFormat,
    rootfs: rootfsId(host),
    node: await fileHash(await realpath(options.nodePath)),
    agent: options.agentBundle.version,
    programs: guestPrograms,
    links: busyboxLinks,
    modules: [bootModules, lateModules],
    files: await readGuestFiles(),
    inits: [await readGuestSource('initrd-init'), await readGuestSource('probe-init')],
  });
}

async function fileHash(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

async function build(
  options: BuildImageOptions & {
    readonly host: HostFacts;
    readonly id: string;
    readonly run: RunCommand;
    readonly work: string;
    readonly scratch: string;
    readonly progress: ReportProgress;
  },
): Promise<void> {
  const { run, work, host, progress } = options;
  const tar = await ensureRootfs({
    ...options,
    progress: (seen) => progress({ ...seen, fraction: seen.fraction * 0.6 }),
  });

  progress({ step: 'disk', label: 'laying out the disk', fraction: 0.6 });
  const packages = join(work, 'packages');
  await mkdir(packages);
  await run({ program: 'tar', args: ['-xf', tar, '-C', packages, '--no-same-owner', '--exclude=./dev/*'] });
  const kernel = await readGuestKernel(packages, run);
  const root = join(work, 'root');
  await layOutRoot({
    root,
    packages,
    nodePath: options.nodePath,
    agentBundle: options.agentBundle,
    guestFiles: await readGuestFiles(),
    host,
    run,
  });
  await installModules(kernel, root);

  progress({ step: 'disk', label: 'making the disk', fraction: 0.75 });
  const image = join(work, 'image');
  await mkdir(image);
  await makeDisk({ root, work, target: join(image, imageFiles.disk), host, run });
  await writeBootFiles(kernel, packages, image);
  const about = { id: options.id, createdAtMs: options.clock.now() };
  await rm(packages, { recursive: true });
  const { about: name, ...files } = imageFiles;
  const to = join(options.cacheDir, folders.images, options.id);
  await publishResult(image, to, { name, content: about }, Object.values(files));
  progress({ step: 'done', label: 'image built', fraction: 1 });
}

async function writeBootFiles(kernel: GuestKernel, packages: string, image: string): Promise<void> {
  const busybox = await readFile(join(packages, 'usr/bin/busybox'));
  const modules = kernel.boot.map((name) => ({ name, content: kernel.modules.get(name)?.content ?? Buffer.alloc(0) }));
  const init = fillModules(await readGuestSource('initrd-init'), kernel.boot);
  await copyKernel(kernel, join(image, imageFiles.kernel));
  await writeFile(join(image, imageFiles.initrd), initrdArchive({ busybox, init, modules }));
  const probe = { busybox, init: await readGuestSource('probe-init'), modules: [] };
  await writeFile(join(image, imageFiles.probeInitrd), initrdArchive(probe));
}
