import { access, copyFile, cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type AptSetup, readAptSetup } from '../../src/image/apt.ts';
import { withCacheLock } from '../../src/image/cache.ts';
import type { RunCommand } from '../../src/image/command.ts';
import { readHostFacts } from '../../src/image/host.ts';
import { contentId } from '../../src/image/recipe.ts';

/** All that a bare machine has beside Debian's essential packages: everything else is for the two commands to bring. */
const packages = ['nodejs', 'npm'];
/** Counts up when the way of building changes. */
const format = 2;
/** Where certificates are that this machine's administrator trusts. */
const localCertificates = '/usr/local/share/ca-certificates';
/** Where the settings of npm go in the bare root. */
const settingsFolder = '/etc/bare-npm';
const npmSettings = ['registry', 'proxy', 'https_proxy', 'noproxy', 'cafile', 'strict_ssl'];

/** A bare Debian as a tar file, made once for a set of apt's settings. It is set up to fetch as this machine does. */
export async function bareTar(cacheDir: string, run: RunCommand, log: (line: string) => void): Promise<string> {
  const { distribution } = await readHostFacts();
  const apt = await readAptSetup(run, distribution);
  const folder = join(cacheDir, 'bare');
  const target = join(folder, `${contentId({ format, distribution, apt, packages })}.tar`);
  await withCacheLock(cacheDir, { onWait: () => log('waiting for another build to end') }, async () => {
    if (await isThere(target)) return;
    log(`building a bare ${distribution.id} ${distribution.codename} with ${packages.join(', ')} and what they need`);
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await build(target, distribution.codename, apt, run);
  });
  return target;
}

async function build(target: string, codename: string, apt: AptSetup, run: RunCommand): Promise<void> {
  const options = [
    // Essential and required packages, and their maintainer scripts run: a machine as people install it.
    ...['--variant=minbase', '--mode=root', '--format=tar', `--include=${packages.join(',')}`],
    ...apt.options.map((option) => `--aptopt=${option}`),
    '--dpkgopt=force-unsafe-io',
    '--dpkgopt=path-exclude=/usr/share/doc/*',
    '--dpkgopt=path-exclude=/usr/share/locale/*',
  ];
  // Without sources it takes the distribution's own.
  const words = [...options, codename, `${target}.partial`, ...(apt.sources === '' ? [] : ['-'])];
  await run({
    program: 'unshare',
    args: [
      '--mount',
      '--propagation=private',
      '--pid',
      '--fork',
      '--kill-child',
      '--mount-proc',
      'mmdebstrap',
      ...words,
    ],
    input: apt.sources,
    stopSignal: 'SIGKILL',
  });
  await rename(`${target}.partial`, target);
}

/** Unpacks the tar file into a folder and carries over what npm and apt need to fetch. Gives the environment for npm. */
export async function unpackRoot(tar: string, root: string, run: RunCommand): Promise<Record<string, string>> {
  await mkdir(root, { mode: 0o755 });
  await run({ program: 'tar', args: ['--extract', '--file', tar, '--directory', root, '--exclude=./dev/*'] });
  await copyFile('/etc/resolv.conf', join(root, 'etc/resolv.conf')).catch(() => undefined);
  await copyFile('/etc/hosts', join(root, 'etc/hosts')).catch(() => undefined);
  await cp(localCertificates, join(root, localCertificates), { recursive: true }).catch(() => undefined);
  await run({ program: 'chroot', args: [root, 'update-ca-certificates'] });
  return { ...fetchEnvironment(), ...(await carryNpmSettings(root)) };
}

/** Proxies and certificates by the variables that everybody reads. */
function fetchEnvironment(): Record<string, string> {
  const wanted = /^((https?|ftp|all|no)_proxy|node_extra_ca_certs|ssl_cert_(file|dir))$/i;
  const settings = new RegExp(`^npm_config_(${npmSettings.join('|')})$`, 'i');
  return Object.fromEntries(
    Object.entries(process.env).filter(
      (pair): pair is [string, string] => pair[1] !== undefined && (wanted.test(pair[0]) || settings.test(pair[0])),
    ),
  );
}

/** Copies the files that npm reads its settings from. */
async function carryNpmSettings(root: string): Promise<Record<string, string>> {
  const files = {
    userconfig: [process.env.npm_config_userconfig ?? join(homedir(), '.npmrc')],
    globalconfig: [process.env.npm_config_globalconfig ?? '', '/usr/etc/npmrc', '/etc/npmrc'],
  };
  await mkdir(join(root, settingsFolder), { recursive: true });
  const environment: Record<string, string> = {};
  for (const [name, paths] of Object.entries(files)) {
    const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8').catch(() => '')));
    const text = texts.find((one) => one !== '');
    if (text === undefined) continue;
    await writeFile(join(root, settingsFolder, name), text, { mode: 0o600 });
    environment[`npm_config_${name}`] = join(settingsFolder, name);
  }
  return environment;
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
