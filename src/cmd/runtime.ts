import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { formatTable } from '../cli/table.ts';
import { formatSize } from '../cli/units.ts';
import { systemClock } from '../clock/system-clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { Runtime } from '../domain/image.ts';
import { withCacheLock } from '../image/cache.ts';
import { commandRunner } from '../image/command.ts';
import { buildWithBuildah, buildWithDocker } from '../image/dockerfile.ts';
import { type ImageOrigin, importRuntime } from '../image/import-runtime.ts';
import { readLeases } from '../image/leases.ts';
import type { BuiltInRuntime } from '../image/runtime-recipe.ts';
import { listRuntimes, removeRuntime } from '../image/runtime-store.ts';
import { requirementsOf } from '../setup/requirements.ts';
import { ensureRuntime } from './artifacts.ts';
import { checkCacheRoom } from './cache-room.ts';
import { cache, dateTime } from './image.ts';
import { interruptSignal } from './interrupt.ts';
import { progressDisplay } from './progress.ts';
import { ensureSystem } from './system.ts';

/** As text, or as JSON. */
export interface Format {
  readonly json?: boolean;
}

/** Where the image is: one of these. */
export interface AddOptions extends Format {
  readonly dockerArchive?: string;
  readonly oci?: string;
  readonly dockerfile?: string;
}

/** `tidepool runtime add NAME`. */
export async function runtimeAdd(name: string, options: AddOptions): Promise<string> {
  await ensureSystem();
  const origin = await originOf(options);
  const cacheDir = await cache();
  await checkCacheRoom(cacheDir);
  const display = progressDisplay(`runtime ${name}`);
  const added = await importRuntime(name, origin, {
    cacheDir,
    clock: systemClock,
    signal: interruptSignal(),
    progress: display.show,
  }).finally(display.end);
  return options.json
    ? JSON.stringify(added, null, 2)
    : `runtime ${name} (${added.id}) is added: ${formatSize(added.sizeBytes)}`;
}

async function originOf({ dockerArchive, oci, dockerfile }: AddOptions): Promise<ImageOrigin> {
  if ([dockerArchive, oci, dockerfile].filter((one) => one !== undefined).length !== 1) {
    throw new TidepoolError('invalid', 'say where the image is: one of --docker-archive, --oci, --dockerfile');
  }
  if (dockerArchive !== undefined) return { kind: 'docker-archive', file: await existing(dockerArchive, 'file') };
  if (oci !== undefined) return { kind: 'oci', folder: await existing(oci, 'folder') };
  const folder = await existing(dockerfile ?? '', 'folder');
  const options = { folder, environment: buildEnvironment(), isRoot: process.getuid?.() === 0 };
  if (await works('buildah', '--version')) return buildWithBuildah(options);
  if (await works('docker', 'version')) return buildWithDocker(options, `tidepool-build-${randomUUID()}`);
  await ensureSystem(requirementsOf('dockerfile'));
  return buildWithBuildah(options);
}

async function existing(path: string, kind: 'file' | 'folder'): Promise<string> {
  const facts = await stat(path).catch(() => undefined);
  const isRight = kind === 'file' ? facts?.isFile() : facts?.isDirectory();
  if (isRight !== true) throw new TidepoolError('invalid', `${path} is not a ${kind} that can be read`);
  return resolve(path);
}

/** `docker version` fails when its daemon does not answer. */
function works(program: string, ...args: readonly string[]): Promise<boolean> {
  return commandRunner(
    systemClock,
    AbortSignal.timeout(10_000),
  )({ program, args }).then(
    () => true,
    () => false,
  );
}

/** What an image build needs of ours: where its user's credentials and settings are, and the way out. */
function buildEnvironment(): Record<string, string> {
  const names = ['HOME', 'XDG_RUNTIME_DIR', 'REGISTRY_AUTH_FILE', 'DOCKER_HOST', 'DOCKER_CONFIG'];
  const proxies = ['http_proxy', 'https_proxy', 'no_proxy'].flatMap((name) => [name, name.toUpperCase()]);
  const given = [...names, ...proxies].map((name) => [name, process.env[name]] as const);
  return Object.fromEntries(given.filter((pair): pair is [string, string] => pair[1] !== undefined));
}

/** `tidepool runtime build NAME`. */
export async function runtimeBuild(name: BuiltInRuntime, format: Format): Promise<string> {
  await ensureSystem();
  const cacheDir = await cache();
  if (!(await listRuntimes(cacheDir)).some((one) => one.name === name)) await checkCacheRoom(cacheDir);
  const runtime = await ensureRuntime(name, cacheDir, systemClock, interruptSignal());
  if (format.json) return JSON.stringify(runtime, null, 2);
  return `runtime ${name} (${runtime.id}) is ready: ${formatSize(runtime.sizeBytes)}`;
}

/** `tidepool runtime list`. */
export async function runtimeList(format: Format): Promise<string> {
  const runtimes = await listRuntimes(await cache());
  if (format.json) return JSON.stringify(runtimes, null, 2);
  if (runtimes.length === 0) return 'no runtimes';
  const rows = runtimes.map(({ name, id, sizeBytes, createdAtMs, image }) => [
    name,
    id,
    image === null ? 'built in' : 'image',
    formatSize(sizeBytes),
    dateTime(createdAtMs),
  ]);
  return formatTable([['RUNTIME', 'ID', 'FROM', 'SIZE', 'BUILT'], ...rows]);
}

/** `tidepool runtime show NAME`. */
export async function runtimeShow(name: string, format: Format): Promise<string> {
  const runtime = await find(name);
  if (format.json) return JSON.stringify(runtime, null, 2);
  const { id, sizeBytes, createdAtMs, image } = runtime;
  const rows = [
    ['name', name],
    ['id', id],
    ['size', formatSize(sizeBytes)],
    ['built', dateTime(createdAtMs)],
  ];
  if (image !== null) {
    rows.push(['user', `${image.uid}:${image.gid}`], ['working folder', image.workingFolder]);
    rows.push(['entrypoint', JSON.stringify(image.entrypoint)], ['command', JSON.stringify(image.command)]);
    for (const [key, value] of Object.entries(image.environment)) rows.push(['environment', `${key}=${value}`]);
  }
  return formatTable(rows);
}

/** `tidepool runtime remove NAME`. */
export async function runtimeRemove(name: string): Promise<string> {
  const cacheDir = await cache();
  const { id } = await find(name);
  await withCacheLock(cacheDir, { signal: interruptSignal(), onWait: () => undefined }, async () => {
    const user = (await readLeases(cacheDir)).find((lease) => lease.runtimes.includes(name));
    if (user !== undefined)
      throw new TidepoolError(
        'conflict',
        `jobs or services of the installation in ${user.dataDir} need the runtime ${name}; it can be removed a minute after the last of them has ended`,
      );
    await removeRuntime(cacheDir, { name, id });
  });
  return `runtime ${name} (${id}) is removed`;
}

async function find(name: string): Promise<Runtime> {
  const runtimes = await listRuntimes(await cache());
  const found = runtimes.find((runtime) => runtime.name === name);
  if (found !== undefined) return found;
  throw new TidepoolError(
    'not_found',
    `there is no runtime ${JSON.stringify(name)}; there are: ${[...new Set(runtimes.map((one) => one.name))].join(', ')}`,
  );
}
