import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../../domain/clock.ts';
import { TidepoolError } from '../../domain/errors.ts';
import type { Runtime } from '../../domain/image.ts';
import { maxSharedDisks } from '../../domain/machine-spec.ts';
import type { LayeredRecipe, PipSource } from '../../domain/requirements.ts';
import { folders, withCacheLock, withWorkFolder } from '../cache.ts';
import { commandRunner, type RunCommand } from '../command.ts';
import { readLeases } from '../leases.ts';
import { forwardOnly, type ReportProgress } from '../progress.ts';
import { neededLayered, spareLayered, surplusLayered, usedRuntimes } from '../prune.ts';
import { contentId } from '../recipe.ts';
import {
  type AboutRuntime,
  findRuntime,
  forgetRuntime,
  listRuntimes,
  removeRuntime,
  runtimeFiles,
} from '../runtime-store.ts';
import { squashfsFlags } from '../squashfs.ts';
import { publishResult } from '../whole-files.ts';
import { startIndexGateway } from './index-gateway.ts';

/** Counts up when what comes out of the same requirements changes. */
const layeredFormat = 1;
/** Each is a disk of every VM; the one that was used the longest ago goes for a new one. */
const maxLayered = 6;
/** Even if all of them are in use: as many as a machine has places for disks. */
const mostLayered = maxSharedDisks;
const installLimitMs = 15 * 60_000;
const maxFileBytes = 8 * 1024 ** 3;
/** Of all that is installed, the runtime below included. */
const maxInstalledBytes = 16 * 1024 ** 3;
/** A wheel may unpack to a thousand times its size. */
const lookEveryMs = 3_000;
/** Whom the container's root is outside, when we are root. */
const nobody = '65534';
const pipWheels = '/usr/share/python-wheels';

export interface LayeredOptions {
  readonly cacheDir: string;
  readonly clock: Clock;
  readonly source: PipSource;
  readonly isRoot: boolean;
  readonly progress?: ReportProgress;
  readonly signal?: AbortSignal;
  /** How large the runtime may be, unpacked; 16 GiB unless given. */
  readonly maxBytes?: number;
  /** How many of them the cache keeps; 6 unless given. */
  readonly keep?: number;
  /** How many it has at most, whatever is in use; 24 unless given. */
  readonly most?: number;
  /** One that was used within this time stays beyond that; an hour unless given. */
  readonly unusedForMs?: number;
}

/**
 * A runtime with requirements installed on top, under the name that `runtimeOf` gives; built when the cache does not have
 * it. Only wheels are installed, so that no code of a package runs here, and that in a container of its own: no network
 * but the way to the configured index, no right, nothing of this machine to see but a copy of the runtime.
 * Errors: `not_found` (no such base), `invalid` (pip cannot install them, its last words in the message; they are too
 * large), `exhausted` (as many as there may be are in use), `aborted`.
 */
export async function buildLayered(name: string, recipe: LayeredRecipe, options: LayeredOptions): Promise<Runtime> {
  const { cacheDir, clock, signal } = options;
  const base = (await listRuntimes(cacheDir)).find((runtime) => runtime.name === recipe.base);
  if (base === undefined) throw new TidepoolError('not_found', `there is no runtime ${recipe.base}`);
  const id = contentId({ layeredFormat, base: base.id, requirements: recipe.requirements });
  const ready = await findRuntime(cacheDir, name, id);
  if (ready !== undefined) return ready;
  const progress = forwardOnly(options.progress);
  const onWait = (): void => progress({ step: 'waiting', label: 'waiting for another build to end', fraction: 0 });
  return withCacheLock(cacheDir, { signal, onWait }, async () => {
    const builtMeanwhile = await findRuntime(cacheDir, name, id);
    if (builtMeanwhile !== undefined) return builtMeanwhile;
    await requirePlace(options);
    const bounds = watchBounds(clock, options.maxBytes ?? maxInstalledBytes);
    const ends = signal === undefined ? bounds.signal : AbortSignal.any([signal, bounds.signal]);
    const run = commandRunner(clock, ends);
    await withWorkFolder(cacheDir, commandRunner(clock), async ({ scratch, work }) => {
      progress({ step: 'building', label: 'unpacking the runtime', fraction: 0.1 });
      const build: Build = { ...options, scratch, base, recipe, run };
      await unpackBase(build);
      progress({ step: 'building', label: 'installing', fraction: 0.3 });
      const root = join(scratch, 'root');
      await bounds.hold(root, () => install(build));
      progress({ step: 'compressing', label: 'compressing', fraction: 0.8 });
      const result = join(work, 'runtime');
      await mkdir(result);
      const flags = ['-noappend', ...squashfsFlags];
      await run({ program: 'mksquashfs', args: [root, join(result, runtimeFiles.disk), ...flags] });
      const about: AboutRuntime = { createdAtMs: clock.now(), image: base.image };
      const content = { name, id, base: base.name, ...about };
      await forgetRuntime(cacheDir, name, id);
      const to = join(cacheDir, folders.runtimes, `${name}-${id}`);
      await publishResult(result, to, { name: runtimeFiles.about, content }, [runtimeFiles.disk]);
    }).finally(bounds.end);
    await dropUnused(options);
    const built = await findRuntime(cacheDir, name, id);
    if (built === undefined) throw new TidepoolError('internal', `runtime ${name}-${id} is not where it was put`);
    progress({ step: 'done', label: 'installed', fraction: 1 });
    return built;
  });
}

/** Ends a build that takes too long or gets too large. Error of `hold` then: `invalid`. */
function watchBounds(clock: Clock, maxBytes: number) {
  const over = new AbortController();
  let problem = '';
  const give = (text: string): void => {
    problem ||= text;
    over.abort();
  };
  const end = clock.after(installLimitMs, () => give(`they take longer than ${installLimitMs / 60_000} min`));
  const look = async (root: string): Promise<void> => {
    const told = await commandRunner(clock)({ program: 'du', args: ['-skx', root], stdout: 'keep' });
    if (Number.parseInt(told, 10) * 1024 > maxBytes) give(`with them the runtime is larger than ${maxBytes} bytes`);
  };
  const hold = async (root: string, work: () => Promise<void>): Promise<void> => {
    const done = new AbortController();
    const looking = (async () => {
      for (;;) {
        await clock.sleep(lookEveryMs, done.signal).catch(() => undefined);
        if (done.signal.aborted) return;
        // A file that goes away under `du` makes it fail; the next look tells.
        await look(root).catch(() => undefined);
      }
    })();
    const failed = await work().then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    done.abort();
    await looking;
    if (failed === undefined) await look(root);
    if (problem !== '') throw new TidepoolError('invalid', `the requirements cannot be installed: ${problem}`);
    if (failed !== undefined) throw failed.error;
  };
  return { signal: over.signal, hold, end };
}

interface Build extends LayeredOptions {
  readonly scratch: string;
  readonly base: Runtime;
  readonly recipe: LayeredRecipe;
  readonly run: RunCommand;
}

async function unpackBase({ scratch, base, run, recipe, isRoot }: Build): Promise<void> {
  const root = join(scratch, 'root');
  await run({ program: 'unsquashfs', args: ['-no-progress', '-no-xattrs', '-d', root, base.path] });
  const input = join(scratch, 'input');
  await mkdir(input, { mode: 0o755 });
  await writeFile(join(input, 'requirements.txt'), `${recipe.requirements}\n`, { mode: 0o644 });
  await chmod(scratch, 0o755);
  if (isRoot) await run({ program: 'chown', args: ['-R', '-h', `${nobody}:${nobody}`, root] });
}

async function install(build: Build): Promise<void> {
  const { scratch, source, run } = build;
  const pip = await pipWheel();
  const socket = source.kind === 'index' ? join(scratch, 'input', 'gateway') : undefined;
  await using gateway =
    source.kind === 'index' && socket !== undefined ? await startIndexGateway(socket, source.hosts) : undefined;
  // Its own user inside must get through to the gateway.
  if (socket !== undefined) await chmod(socket, 0o666);
  const from =
    source.kind === 'index'
      ? ['--index-url', source.url, ...trusted(source.url)]
      : ['--no-index', '--find-links', '/run/wheels'];
  const quiet = ['--no-input', '--no-cache-dir', '--disable-pip-version-check', '--no-warn-script-location'];
  const kind = ['--only-binary', ':all:', '--break-system-packages', '--root-user-action', 'ignore'];
  const pipArguments = ['install', ...quiet, ...kind, ...from, '-r', '/run/input/requirements.txt'];
  const installer = [
    'python3',
    '/run/install.py',
    '/run/pip.whl',
    ...(socket === undefined ? [] : ['/run/input/gateway']),
  ];
  try {
    await run({
      program: 'prlimit',
      args: [
        `--fsize=${maxFileBytes}`,
        '--core=0',
        '--',
        ...container(build, pip),
        ...installer,
        '--',
        ...pipArguments,
      ],
      stopSignal: 'SIGKILL',
    });
  } catch (cause) {
    if (!(cause instanceof TidepoolError) || cause.code !== 'upstream') throw cause;
    const words = cause.message.split('\n').slice(1);
    const why =
      words
        .filter((line) => /^(ERROR|error)/.test(line))
        .slice(-3)
        .join('\n') || words.slice(-3).join('\n');
    const others =
      gateway === undefined || gateway.refused.length === 0 ? '' : `\nnot allowed: ${gateway.refused.join(', ')}`;
    throw new TidepoolError('invalid', `the requirements cannot be installed: ${why}${others}`, { cause });
  }
}

/** A container of the unpacked runtime, by bubblewrap. */
function container({ scratch, source, isRoot }: Build, pip: string): string[] {
  const script = fileURLToPath(new URL('./install.py', import.meta.url));
  const user = ['setpriv', '--reuid', nobody, '--regid', nobody, '--clear-groups', '--'];
  return [
    ...(isRoot ? user : []),
    'bwrap',
    ...['--unshare-all', '--die-with-parent', '--new-session', '--cap-drop', 'ALL', '--hostname', 'build'],
    ...['--uid', '0', '--gid', '0', '--clearenv'],
    ...['--setenv', 'PATH', '/usr/local/bin:/usr/bin:/bin', '--setenv', 'HOME', '/tmp', '--setenv', 'LANG', 'C.UTF-8'],
    ...['--bind', join(scratch, 'root'), '/', '--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--tmpfs', '/run'],
    ...['--ro-bind', join(scratch, 'input'), '/run/input', '--ro-bind', script, '/run/install.py'],
    ...['--ro-bind', pip, '/run/pip.whl'],
    ...(source.kind === 'folder' ? ['--ro-bind', source.path, '/run/wheels'] : []),
    '--',
  ];
}

async function pipWheel(): Promise<string> {
  const names = await readdir(pipWheels).catch(() => []);
  const name = names
    .filter((one) => /^pip-.*\.whl$/.test(one))
    .sort()
    .at(-1);
  if (name === undefined)
    throw new TidepoolError('not_found', `there is no pip in ${pipWheels}; run 'tidepool doctor'`);
  return join(pipWheels, name);
}

/** Without TLS pip takes an index only when told so; who configured it did. */
function trusted(url: string): string[] {
  const { protocol, host } = new URL(url);
  return protocol === 'http:' ? ['--trusted-host', host] : [];
}

/** For a new one, by their last use; never what an installation that shares the cache needs. The caller holds the lock. */
async function dropUnused(options: LayeredOptions): Promise<void> {
  const { cacheDir, clock, keep = maxLayered, most = mostLayered, unusedForMs } = options;
  const [all, leases] = [await usedRuntimes(cacheDir), await readLeases(cacheDir)];
  const spare = spareLayered(all, leases, keep, clock.now(), unusedForMs);
  const beyond = surplusLayered(all, leases, most, clock.now());
  for (const runtime of new Set([...spare, ...beyond])) await removeRuntime(cacheDir, runtime);
}

/** Error: `exhausted` when as many are needed as there may be. The caller holds the lock. */
async function requirePlace({ cacheDir, clock, most = mostLayered }: LayeredOptions): Promise<void> {
  const needed = neededLayered(await usedRuntimes(cacheDir), await readLeases(cacheDir), most, clock.now());
  if (needed < most) return;
  throw new TidepoolError(
    'exhausted',
    `${needed} runtimes with requirements are needed at one time, the most that there may be; this one waits until the jobs of another have ended`,
  );
}
