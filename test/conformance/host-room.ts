import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Hypervisor, MachineSpec } from '../../src/domain/hypervisor.ts';

/** What every Hypervisor must tell of its host. */
export function hostRoomConformance(parts: () => { hypervisor: Hypervisor; spec: MachineSpec }): void {
  test('the host tells what it has left: a machine takes its whole memory, whether it has touched it or not', async () => {
    const { hypervisor, spec } = parts();
    const before = await hypervisor.hostRoom();
    await hypervisor.create(spec);
    const after = await hypervisor.hostRoom();
    await hypervisor.remove(spec.name);
    assert.ok(before.memoryFreeBytes > 0 && before.memoryFreeBytes < before.memoryBytes + 1);
    // Others use the host meanwhile.
    const takenMiB = (before.memoryFreeBytes - after.memoryFreeBytes) / 1024 ** 2;
    assert.ok(takenMiB > spec.flavor.memoryMiB / 2, `${takenMiB} MiB of ${spec.flavor.memoryMiB}`);
    assert.ok(after.disk !== null && after.disk.freeBytes > 0 && after.disk.freeBytes <= after.disk.sizeBytes);
  });
}
