import { randomBytes } from 'node:crypto';
import { hasCode, toTidepoolError } from '../domain/errors.ts';
import type { Machine, MachineSpec } from '../domain/hypervisor.ts';
import { type Runtime, runtimeDiskSerial } from '../domain/image.ts';
import type { Vm } from '../domain/vm.ts';
import { agentPort, agentSecretNames } from '../protocol/agent.ts';
import { emit, type PoolContext } from './context.ts';
import { failVm } from './fail.ts';

/**
 * First stage: a row, then a machine, then `booting`. The row comes first, so a machine without a row is always a
 * leftover. Ends in `failed` with the reason when the hypervisor refuses.
 *
 * Resolves with false when the name belongs to somebody else on the hypervisor: another one must be tried.
 */
export async function launchVm(context: PoolContext, name: string): Promise<boolean> {
  const { store, hypervisor, clock, changes } = context;
  const vm = newVm(context, name);
  await store.vms.insert(vm);
  changes.notify('vms');
  await emit(context, 'vm.launching', name, 'launching', { flavor: context.pool.flavor.name });
  try {
    const machine = await hypervisor.create(machineSpec(context, vm, await context.runtimes.list()));
    const facts = agentEndpoint(machine);
    await store.vms.move(name, ['creating'], { state: 'booting', reason: '', nowMs: clock.now(), facts });
  } catch (error) {
    if (hasCode(error, 'conflict')) {
      await store.vms.delete(name);
      context.log(`vm ${name}: ${error.message}`);
      return false;
    }
    await failVm(context, name, `could not be created: ${toTidepoolError(error).message}`);
  }
  changes.notify('vms');
  return true;
}

/** Where the machine's agent can be reached; empty while the address is not known. */
export function agentEndpoint(machine: Machine): { host?: string; port?: number } {
  const endpoint = machine.endpoints.find((candidate) => candidate.name === 'agent');
  return endpoint === undefined ? {} : { host: endpoint.host, port: endpoint.port };
}

function newVm(context: PoolContext, name: string): Vm {
  const nowMs = context.clock.now();
  return {
    name,
    pool: context.pool.name,
    state: 'creating',
    reason: '',
    stateSinceMs: nowMs,
    createdAtMs: nowMs,
    imageId: context.image.id,
    flavor: context.pool.flavor.name,
    keyId: randomBytes(8).toString('hex'),
    key: randomBytes(32),
    host: null,
    port: null,
    capacity: null,
    runtimes: [],
    isUnwanted: false,
  };
}

function machineSpec(context: PoolContext, vm: Vm, runtimes: readonly Runtime[]): MachineSpec {
  const { image, pool, accelerator, network } = context;
  const commandLine = `${image.commandLine} tidepool.net=${network.kind === 'user' ? 'user' : 'dhcp'}`;
  return {
    name: vm.name,
    tags: { pool: pool.name, role: 'worker', imageId: image.id, keyId: vm.keyId, createdAtMs: vm.createdAtMs },
    flavor: pool.flavor,
    accelerator,
    boot: { kernelPath: image.kernelPath, initrdPath: image.initrdPath, commandLine },
    imagePath: image.diskPath,
    sharedDisks: runtimes.map((runtime) => ({ path: runtime.path, serial: runtimeDiskSerial(runtime.name) })),
    network,
    ports: [{ name: 'agent', protocol: 'tcp', guestPort: agentPort }, ...context.workload.ports],
    secrets: {
      [agentSecretNames.key]: vm.key,
      [agentSecretNames.keyId]: Buffer.from(vm.keyId),
      [agentSecretNames.hostname]: Buffer.from(vm.name),
    },
  };
}
