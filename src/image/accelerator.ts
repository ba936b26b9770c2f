import { mkdir, stat } from 'node:fs/promises';
import { hostname, release } from 'node:os';
import { dirname, join } from 'node:path';
import type { Clock } from '../domain/clock.ts';
import type { Accelerator, Hypervisor } from '../domain/hypervisor.ts';
import { readJson, writeFileDurably } from '../files/durable.ts';
import { contentId } from './recipe.ts';

export type AcceleratorSetting = 'auto' | Accelerator;

/** What was chosen, and why in words for a person. */
export interface AcceleratorChoice {
  readonly accelerator: Accelerator;
  readonly reason: string;
}

export interface ChooseAcceleratorOptions {
  readonly hypervisor: Pick<Hypervisor, 'uri' | 'probe'>;
  readonly setting: AcceleratorSetting;
  readonly cacheDir: string;
  readonly kernelPath: string;
  readonly probeInitrdPath: string;
  readonly clock: Clock;
  /** For tests: what the verdict is remembered by, beside kernel and hypervisor. Default: this host and its kernel. */
  readonly host?: string;
}

/** A guest kernel boots under working KVM in well under a second; under one that hangs, never. */
const probeTimeoutMs = 8_000;
/** A verdict against KVM is asked again after a day: a kernel module may have been loaded since. */
const refusalKeptMs = 24 * 3_600_000;

/**
 * KVM or TCG. A set accelerator is taken as it is. `auto` starts the image's own kernel under KVM with an initrd that
 * powers off at once; only if it really does is KVM used, because /dev/kvm may exist, open and create a VM, and still
 * hang. The verdict is remembered per host, host kernel, hypervisor and guest kernel.
 */
export async function chooseAccelerator(options: ChooseAcceleratorOptions): Promise<AcceleratorChoice> {
  if (options.setting !== 'auto') {
    return { accelerator: options.setting, reason: `set to ${options.setting} in the configuration` };
  }
  const path = join(options.cacheDir, 'accelerator', `${await verdictKey(options)}.json`);
  const now = options.clock.now();
  const known = parseVerdict(await readJson(path));
  const isFresh = known !== undefined && (known.accelerator === 'kvm' || now - known.atMs < refusalKeptMs);
  if (known !== undefined && isFresh) return { accelerator: known.accelerator, reason: `${known.reason} (remembered)` };
  const choice = await probe(options);
  await mkdir(dirname(path), { recursive: true });
  await writeFileDurably(path, `${JSON.stringify({ ...choice, atMs: now })}\n`, 0o644);
  return choice;
}

async function verdictKey(options: ChooseAcceleratorOptions): Promise<string> {
  const kernel = await stat(options.kernelPath);
  const host = options.host ?? `${hostname()} ${release()}`;
  return contentId({ host, uri: options.hypervisor.uri, path: options.kernelPath, size: kernel.size });
}

async function probe(options: ChooseAcceleratorOptions): Promise<AcceleratorChoice> {
  const result = await options.hypervisor.probe({
    accelerator: 'kvm',
    kernelPath: options.kernelPath,
    initrdPath: options.probeInitrdPath,
    commandLine: 'console=ttyS0 quiet panic=-1 no_timer_check',
    timeoutMs: probeTimeoutMs,
  });
  if (result.booted) {
    return { accelerator: 'kvm', reason: `a probe VM booted under KVM in ${Math.round(result.elapsedMs)} ms` };
  }
  const reason = `KVM does not work here (${result.reason}), so VMs are emulated (TCG), 5 to 20 times as slow`;
  return { accelerator: 'tcg', reason };
}

/** A file that cannot be read as a verdict counts as none: the probe is asked again. */
function parseVerdict(value: unknown): (AcceleratorChoice & { readonly atMs: number }) | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (!('accelerator' in value && 'reason' in value && 'atMs' in value)) return undefined;
  const { accelerator, reason, atMs } = value;
  if (accelerator !== 'kvm' && accelerator !== 'tcg') return undefined;
  return typeof reason === 'string' && typeof atMs === 'number' ? { accelerator, reason, atMs } : undefined;
}
