import { randomBytes } from 'node:crypto';
import { hasCode, toTidepoolError } from '../domain/errors.ts';
import { isNameTaken, type Machine, type MachineSpec } from '../domain/hypervisor.ts';
import { type Runtime, runtimeDiskSerial } from '../domain/image.ts';
import type { Vm } from '../domain/vm.ts';
import { agentPort, agentSecretNames } from '../protocol/agent.ts';
import { emit, type PoolContext } from './context.ts';
import { newVmRuntimes } from './disks.ts';
import { failVm } from './fail.ts';

/**
 * First stage: a row, then a machine, then `booting`. The row comes first, so a machine without a row is always a
 * leftover. Ends in `failed` with the reason when the hypervisor refuses.
 *
 * Resolves with false when the name belongs to somebody else: another one must be tried.
 * @param preferred runtimes that it should have if there is not room for all, the most wanted first
 */
export async function launchVm(
  context: PoolContext,
  name: string,
  preferred: readonly string[] = [],
): Promise<boolean> {
  const { store, hypervisor, clock, changes } = context;
  const vm = newVm(context, name);
  try {
    await store.vms.insert(vm);
  } catch (error) {
    // A worker that joined by hand may have such a name.
    if (!hasCode(error, 'conflict')) throw error;
    context.log(`vm ${name}: ${error.message}`);
    return false;
  }
  changes.notify('vms');
  await emit(context, 'vm.launching', name, 'launching', { flavor: context.pool.flavor.name });
  try {
    const runtimes = newVmRuntimes(await context.runtimes.list(), preferred);
    const machine = await hypervisor.create(machineSpec(context, vm, runtimes));
    const facts = agentEndpoint(machine);
    await store.vms.move(name, ['creating'], { state: 'booting', reason: '', nowMs: clock.now(), facts });
  } catch (error) {
    const { message } = toTidepoolError(error);
    if (isNameTaken(error)) {
      await store.vms.delete(name);
      context.log(`vm ${name}: ${message}`);
      return false;
    }
    await failVm(context, name, `could not be created: ${message}`);
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
    isStanding: false,
    protocol: null,
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
