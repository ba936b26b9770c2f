import type { Vm } from '../domain/vm.ts';
import { agentProtocol } from '../protocol/agent.ts';

/** A ready VM for tests; every field may be given. */
export function readyVm(fields: Partial<Vm> = {}): Vm {
  return {
    name: 'test-0000',
    pool: 'default',
    state: 'ready',
    reason: '',
    stateSinceMs: 1_000,
    createdAtMs: 1_000,
    imageId: 'image',
    flavor: 'small',
    keyId: 'key',
    key: new Uint8Array(32),
    host: '127.0.0.1',
    port: 9_000,
    capacity: { cpus: 1, memoryBytes: 1024 ** 3, diskBytes: 8 * 1024 ** 3, slots: 256 },
    runtimes: ['python'],
    isUnwanted: false,
    isStanding: false,
    protocol: agentProtocol,
    ...fields,
  };
}
