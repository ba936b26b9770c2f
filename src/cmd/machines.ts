import { chmod, mkdir, rmdir } from 'node:fs/promises';
import { HttpsAgentLink } from '../agentlink/agent-link.ts';
import { Connections } from '../agentlink/connections.ts';
import { Tunnels } from '../agentlink/tunnel.ts';
import { systemClock } from '../clock/system-clock.ts';
import { defaultLibvirtUri, machineDir } from '../config/paths.ts';
import type { Config } from '../config/schema.ts';
import type { AgentLink } from '../domain/agent-link.ts';
import { toTidepoolError } from '../domain/errors.ts';
import type { Hypervisor } from '../domain/hypervisor.ts';
import type { WorkerTunnels } from '../domain/worker.ts';
import { connectLibvirtHypervisor } from '../libvirt/hypervisor.ts';

/** The ways from the control plane to the machines that work for it. */
export interface Machines {
  readonly hypervisor: Hypervisor;
  /** Connections to agents that are kept, which the links share. */
  readonly connections: Connections;
  readonly tunnels: WorkerTunnels;
  readonly link: AgentLink;
}

/** Settings of the ways to the machines. */
export interface MachineOptions {
  readonly config: Pick<Config, 'libvirtUri'>;
  /** Absolute. */
  readonly dataDir: string;
  log(message: string): void;
}

/** Opens the ways to the machines of an installation: libvirt, and the agents over the network. */
export async function openMachines(options: MachineOptions, installationId: string): Promise<Machines> {
  const hypervisor = await openHypervisor(options, installationId);
  const tunnels = new Tunnels();
  const connections = new Connections(tunnels);
  return { hypervisor, connections, tunnels, link: new HttpsAgentLink(systemClock, connections) };
}

/** Closes the ways to the machines; the machines run on. */
export async function closeMachines({ hypervisor, link }: Machines): Promise<void> {
  try {
    await hypervisor.close();
  } finally {
    await link.close();
  }
}

/** Removes the folder of the machines. Without VMs there is nothing in it; with `rmdir` a mistake about that does no harm. */
export async function removeMachineDir({ dataDir, log }: MachineOptions, installationId: string): Promise<void> {
  const folder = machineDir(dataDir, installationId);
  await rmdir(folder).catch((error: unknown) => log(`${folder} stays: ${toTidepoolError(error).message}`));
}

async function openHypervisor({ config, dataDir, log }: MachineOptions, installationId: string): Promise<Hypervisor> {
  const folder = machineDir(dataDir, installationId);
  await mkdir(folder, { recursive: true });
  // QEMU runs as another user when we are root: it may pass through, not look around.
  await chmod(folder, 0o711);
  const uri = config.libvirtUri ?? defaultLibvirtUri();
  return connectLibvirtHypervisor({
    uri,
    machineDir: folder,
    installationId,
    clock: systemClock,
    log,
    env: process.env,
  });
}
