import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../../src/domain/service.ts';
import type { Vm } from '../../src/domain/vm.ts';
import { deployService } from '../../src/services/deploy.ts';
import { type ServiceWorkload, serviceWorkload } from '../../src/services/workload.ts';
import { ServiceWorld } from './world.ts';

/** A signal that never fires. */
export const never = new AbortController().signal;

/** A test in a world of its own. */
export function withWorld(title: string, body: (world: ServiceWorld) => Promise<void>): void {
  test(title, async () => {
    const world = await ServiceWorld.open();
    try {
      await body(world);
    } finally {
      await world.close();
    }
  });
}

/** The service `fib`, whose first revision serves on so many VMs, `fib-0000` and on. */
export async function serving(world: ServiceWorld, vms: number): Promise<void> {
  await deployService(world.context, await world.deployment('fib', 'good'));
  for (let i = 0; i < vms; i += 1) await world.addVm('fib');
  await world.clock.advance(20_000);
  assert.deepEqual(await world.revisions('fib'), ['1 current']);
  world.calls.length = 0;
}

/** `fib` as its pool sees it. */
export function workloadOf(world: ServiceWorld): ServiceWorkload {
  return serviceWorkload(world.context, world.controller, { name: 'fib', protocol: 'http' });
}

/** `fib` as it is stored. */
export async function stored(world: ServiceWorld): Promise<Service> {
  return (await world.store.services.get('fib')) ?? assert.fail('there is no service fib');
}

/** A VM as it is stored. */
export async function storedVm(world: ServiceWorld, name: string): Promise<Vm> {
  return (await world.store.vms.get(name)) ?? assert.fail(`there is no VM ${name}`);
}
