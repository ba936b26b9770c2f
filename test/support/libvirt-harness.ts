import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '../../src/clock/system-clock.ts';
import type { Hypervisor, MachineSpec } from '../../src/domain/hypervisor.ts';
import type { LibvirtHypervisorOptions } from '../../src/libvirt/hypervisor.ts';
import { qemuOf } from '../../src/processes/qemu.ts';
import type { HypervisorHarness } from '../conformance/hypervisor.ts';
import { claim } from './claims.ts';
import { tinyCommandLine, tinyGuest } from './tiny-guest.ts';

const run = promisify(execFile);

/** The daemon that tests use: the system's for root, the user's own for anybody else. */
export const testUri = process.getuid?.() === 0 ? 'qemu:///system' : 'qemu:///session';

/** virsh, the oracle: what it prints. */
export async function virsh(...args: string[]): Promise<string> {
  const { stdout } = await run('virsh', ['--quiet', '-c', testUri, ...args], { env: { ...process.env, LC_ALL: 'C' } });
  return stdout.trim();
}

export function quietLog(): void {}

/** A folder through which QEMU's user may pass. */
export async function machineFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-machines-'));
  await chmod(folder, 0o711);
  return folder;
}

/** Real machines of the tiny guest. */
export async function tinySpec(): Promise<Omit<MachineSpec, 'name'>> {
  const guest = await tinyGuest();
  return {
    tags: { pool: 'workers', role: 'worker', imageId: 'tiny', keyId: 'key-1', createdAtMs: 1_780_000_000_000 },
    flavor: { name: 'tiny', vcpus: 1, memoryMiB: 128, diskGiB: 1 },
    accelerator: 'tcg',
    boot: { kernelPath: guest.kernelPath, initrdPath: guest.initrdPath, commandLine: tinyCommandLine },
    imagePath: guest.diskPath,
    sharedDisks: [],
    network: { kind: 'user' },
    ports: [{ name: 'agent', protocol: 'tcp', guestPort: 9000 }],
    secrets: { 'agent-key': new Uint8Array(32).fill(7) },
  };
}

/** The conformance suite's host: a real daemon, with virsh as the hands of somebody else. */
export async function libvirtHarness(
  connect: (options: LibvirtHypervisorOptions) => Promise<Hypervisor>,
): Promise<HypervisorHarness> {
  const guest = await tinyGuest();
  const machineDir = await machineFolder();
  const claims: (() => Promise<void>)[] = [];
  const probe = { accelerator: 'tcg' as const, kernelPath: guest.kernelPath, commandLine: tinyCommandLine };
  return {
    async connect(installationId) {
      const id = `${installationId}-${process.pid}`;
      claims.push(await claim(machineDir, id));
      return connect({
        uri: testUri,
        machineDir,
        installationId: id,
        clock: systemClock,
        env: process.env,
        log: quietLog,
      });
    },
    spec: await tinySpec(),
    poweroffProbe: { ...probe, initrdPath: guest.poweroffInitrdPath, timeoutMs: 90_000 },
    hangingProbe: { ...probe, initrdPath: guest.initrdPath, timeoutMs: 2_000 },
    byHand: {
      kill: async (name) => void process.kill(await qemuPid(name), 'SIGKILL'),
      destroy: async (name) => void (await virsh('destroy', name)),
      undefine: async (name) => void (await virsh('undefine', name)),
      defineStranger: async (name) => void (await defineStranger(name)),
      exists: async (name) => (await virsh('list', '--all', '--name')).split('\n').includes(name),
    },
    leftovers: () => readdir(machineDir),
    async dispose() {
      await rm(machineDir, { recursive: true });
      for (const release of claims) await release();
    },
  };
}

/** The process of a machine, by QEMU's own name for it. */
export async function qemuPid(name: string): Promise<number> {
  const qemu = await qemuOf(name);
  if (qemu === undefined) throw new Error(`there is no QEMU for ${name}`);
  return qemu.pid;
}

async function defineStranger(name: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-stranger-'));
  const file = join(folder, 'domain.xml');
  await writeFile(
    file,
    `<domain type='qemu'><name>${name}</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>`,
  );
  await virsh('define', file);
  await rm(folder, { recursive: true });
}
