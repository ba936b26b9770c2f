import { type Stats, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultCacheDir, defaultDataDir, isRoot } from '../config/paths.ts';
import { TidepoolError } from '../domain/errors.ts';
import { fileTrouble } from '../domain/file-trouble.ts';

/** Facts that a unit is made of; all paths are absolute. */
export interface UnitFacts {
  /** The repository. */
  readonly root: string;
  readonly dataDir: string;
  readonly cacheDir: string;
  readonly home: string;
  readonly configFile: string | undefined;
  readonly isRoot: boolean;
  /** Let jobs end and remove the VMs at a stop, however long that takes, instead of leaving them for the next start. */
  readonly drains: boolean;
}

/** With `--keep-vms` a stop takes a second or two; a full disk or a slow libvirt may hold it up. */
const stopSeconds = 90;

/**
 * The systemd unit. Pure. Errors: `invalid` for a path that cannot stand in a unit.
 *
 * `KillMode=process`: HAProxy, and for an ordinary user libvirt's session daemon with its VMs, are in the unit's group and
 * must outlive a restart. 2 and 65 are the exit codes of a wrong configuration and of a conflict (a newer database, a
 * second server): a restart would not help.
 */
export function serviceUnit(facts: UnitFacts): string {
  // systemd takes no strange characters in the name of a program, but in its arguments. The script becomes Node by exec.
  const command = [
    ...['/bin/sh', join(facts.root, 'tidepool')],
    ...['serve', '--data-dir', facts.dataDir],
    ...(facts.configFile === undefined ? [] : ['--config', facts.configFile]),
    ...(facts.drains ? [] : ['--keep-vms']),
  ];
  const libvirt = 'libvirtd.service libvirtd.socket virtqemud.socket';
  return `[Unit]
Description=Tidepool, an elastic cloud for Python
${facts.isRoot ? `Wants=network-online.target\nAfter=network-online.target ${libvirt}\n` : ''}
[Service]
Type=exec
ExecStart=${command.map((part) => quote(part.replaceAll('$', '$$$$'))).join(' ')}
WorkingDirectory=${withoutSpecifiers(facts.root)}
Environment=${quote(`HOME=${facts.home}`)} ${quote(`TIDEPOOL_CACHE_DIR=${facts.cacheDir}`)}
Restart=always
RestartSec=5
RestartPreventExitStatus=2 65
KillMode=process
TimeoutStopSec=${facts.drains ? 'infinity' : stopSeconds}
LimitNOFILE=524288
${facts.isRoot ? `OOMScoreAdjust=-500\n${protection(facts)}` : ''}
[Install]
WantedBy=${facts.isRoot ? 'multi-user.target' : 'default.target'}
`;
}

/**
 * /usr, /boot and /etc are read-only for the server and for HAProxy. More is not possible: the server builds images in user
 * namespaces below its cache and /var/tmp, and `ProtectClock` or `PrivateDevices` would take /dev/kvm and loop devices away.
 * A checkout below /usr stays writable, for npm.
 */
function protection({ root }: UnitFacts): string {
  const writable = root.startsWith('/usr/') || root.startsWith('/boot/') ? `ReadWritePaths=${quote(root)}\n` : '';
  return `ProtectSystem=full\n${writable}`;
}

function quote(text: string): string {
  const plain = withoutSpecifiers(text);
  return /^[\w@:=,./+-]+$/.test(plain) ? plain : `"${plain.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** `%` begins a specifier. Errors: `invalid` for a control character. */
function withoutSpecifiers(text: string): string {
  if (/\p{Cc}/u.test(text)) throw new TidepoolError('invalid', `${JSON.stringify(text)} cannot stand in a unit`);
  return text.replaceAll('%', '%%');
}

/**
 * Returns what is odd about the paths of a unit and may be meant. Errors: `invalid` for a configuration that cannot be read, or a data
 * folder that is none.
 */
export function checkUnitPaths(dataDir: string, configFile: string | undefined): string[] {
  if (configFile !== undefined) {
    const facts = statOf(configFile, 'the configuration');
    if (facts === undefined) throw new TidepoolError('invalid', `the configuration ${configFile} is not there`);
    if (!facts.isFile()) throw new TidepoolError('invalid', `the configuration ${configFile} is no file`);
  }
  const facts = statOf(dataDir, 'the data folder');
  if (facts === undefined) return [`the data folder ${dataDir} is not there; the first start will make it`];
  if (!facts.isDirectory()) throw new TidepoolError('invalid', `the data folder ${dataDir} is a file`);
  return [];
}

function statOf(path: string, what: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new TidepoolError('invalid', `${what} ${path} cannot be used: ${fileTrouble(cause)}`, { cause });
  }
}

/** `tidepool service-unit`: the unit, or as JSON with where it belongs and how it is started. */
export function runServiceUnit(
  options: {
    dataDir?: string;
    config?: string;
    drain?: boolean;
    json?: boolean;
  },
  warn: (text: string) => void,
): string {
  const asRoot = isRoot();
  const dataDir = resolve(options.dataDir ?? defaultDataDir());
  const configFile = options.config === undefined ? undefined : resolve(options.config);
  for (const warning of checkUnitPaths(dataDir, configFile)) warn(warning);
  const unit = serviceUnit({
    root: resolve(fileURLToPath(new URL('../..', import.meta.url))),
    dataDir,
    cacheDir: resolve(defaultCacheDir()),
    home: homedir(),
    configFile,
    isRoot: asRoot,
    drains: options.drain === true,
  });
  if (!options.json) return unit.trimEnd();
  const path = asRoot
    ? '/etc/systemd/system/tidepool.service'
    : join(homedir(), '.config/systemd/user/tidepool.service');
  const systemctl = asRoot ? 'systemctl' : 'systemctl --user';
  const commands = [
    ...(asRoot ? [] : ['loginctl enable-linger']),
    `${systemctl} daemon-reload`,
    `${systemctl} enable --now tidepool.service`,
  ];
  return JSON.stringify({ path, unit, commands }, null, 2);
}
