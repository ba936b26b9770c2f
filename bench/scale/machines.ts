import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connections } from '../../src/agentlink/connections.ts';
import { Tunnels } from '../../src/agentlink/tunnel.ts';
import type { Machines } from '../../src/cmd/machines.ts';
import type { AgentLink, AttemptOutput } from '../../src/domain/agent-link.ts';
import type { Hypervisor, Machine, MachineStats } from '../../src/domain/hypervisor.ts';
import type { WorkerTunnels } from '../../src/domain/worker.ts';
import { readyVm } from '../../src/fake/vm.ts';
import type { AgentHealth } from '../../src/protocol/agent.ts';
import { agentProtocol } from '../../src/protocol/agent.ts';
import { instantWorkers } from '../jobs/instant-workers.ts';
import { capacity, flavor, poolOf, vmName } from './fill.ts';

/** Jobs end at any time within this, so that of 10,000 some 80 end in a second. */
const longestJobMs = 120_000;
const MiB = 1024 ** 2;

/** Machines that all run and agents that answer at once, in the process of the control plane. @param vms of the pools */
export async function standIns(vms: number): Promise<Machines> {
  const connections = new Connections(new Tunnels());
  return { hypervisor: steadyHypervisor(vms), connections, tunnels: plainTunnels, link: slowWorkers() };
}

/** Links of joined workers over which nothing is said. */
const plainTunnels: WorkerTunnels = {
  open(_keyId: string, socket: Duplex) {
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => socket.destroy());
    socket.resume();
    return { closed, dismiss: () => socket.destroy(), destroy: () => socket.destroy() };
  },
};

/** Agents that answer at once, with jobs that take minutes. */
function slowWorkers(): AgentLink {
  const instant = instantWorkers();
  async function* lasting(output: AttemptOutput, signal: AbortSignal | undefined): AttemptOutput {
    await sleep(Math.random() * longestJobMs, undefined, { ref: false, ...(signal === undefined ? {} : { signal }) });
    return yield* output;
  }
  const health = async (hostname: string): Promise<AgentHealth> => ({
    ...{ hostname, version: 'bench', protocol: agentProtocol, bootId: 'bench', uptimeMs: 1, clockMs: Date.now() },
    ...{ capacity, runtimes: ['python'], runningAttempts: 0, isWarmingUp: false },
  });
  return {
    ...instant,
    health: ({ host }) => health(host),
    setClock: ({ host }) => health(host),
    run: (agent, spec, files, following) => lasting(instant.run(agent, spec, files), following?.signal),
    output: (agent, id, offset, following) => lasting(instant.output(agent, id, offset), following?.signal),
  };
}

/** A hypervisor whose machines all run, each with a load of its own that goes up and down. */
function steadyHypervisor(vms: number): Hypervisor {
  const { keyId, imageId, createdAtMs } = readyVm();
  const machines = new Map(
    Array.from({ length: vms }, (_, i): [string, Machine] => {
      const tags = { role: 'worker' as const, pool: poolOf(i), imageId, keyId, createdAtMs };
      const name = vmName(i);
      return [name, { name, uuid: String(i), state: 'running', pauseReason: null, tags, flavor, endpoints: [] }];
    }),
  );
  const never = (): never => {
    throw new RangeError('nothing is to be changed here');
  };
  return {
    uri: 'qemu:///session',
    hostInfo: async () => ({ name: 'bench', cpus: 1, memoryBytes: 2 ** 40, hypervisor: 'bench', libvirt: '0' }),
    hostRoom: async () => ({ memoryBytes: 2 ** 40, memoryFreeBytes: 2 ** 40, disk: null }),
    // No machine is launched, so the server does not look for its golden image and does not build one.
    networkTrouble: async () => 'these machines are stand-ins',
    list: async () => [...machines.values()],
    get: async (name) => machines.get(name),
    stats: async () => Array.from({ length: vms }, (_, i) => statsOf(i, performance.now())),
    create: never,
    suspend: never,
    resume: never,
    shutdown: never,
    destroy: never,
    remove: never,
    onEvent: () => () => undefined,
    openConsole: never,
    probe: never,
    close: async () => undefined,
  };
}

function statsOf(i: number, uptimeMs: number): MachineStats {
  // The integral of a load that swings about one half within ten minutes.
  const busyMs = uptimeMs / 2 + 30_000 * Math.sin(uptimeMs / 100_000 + i);
  return {
    name: vmName(i),
    state: 'running',
    vcpus: flavor.vcpus,
    cpuTimeNs: BigInt(Math.round((busyMs + 30_000) * flavor.vcpus * 1e6)),
    cpuDelayNs: 0n,
    memoryBytes: flavor.memoryMiB * MiB,
    memoryRssBytes: flavor.memoryMiB * MiB,
    diskReadBytes: Math.round(busyMs),
    diskWriteBytes: Math.round(busyMs),
    networkReceiveBytes: Math.round(busyMs),
    networkTransmitBytes: Math.round(busyMs),
  };
}
