import { ServiceClient } from '../../src/cli/service-client.ts';
import { TidepoolError } from '../../src/domain/errors.ts';
import type { VmView } from '../../src/protocol/api.ts';
import type { Fault, FaultContext } from './fault.ts';

const always = (): true => true;

async function randomVm(context: FaultContext): Promise<VmView | undefined> {
  return context.random.pick((await (await context.client()).vms()).filter(({ state }) => state === 'ready'));
}

/** Does what an operator may ask for; a refusal by the state of things is an answer, not a failure. */
async function asked(what: string, ask: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await ask();
    return what;
  } catch (error) {
    if (error instanceof TidepoolError && ['conflict', 'not_found', 'unavailable', 'exhausted'].includes(error.code))
      return undefined;
    throw error;
  }
}

/** What people do who have the right to: drain, delete, scale, deploy. */
export const operatorFaults: readonly Fault[] = [
  {
    name: 'drain',
    weight: 2,
    group: '',
    isPossible: always,
    async make(context) {
      const vm = await randomVm(context);
      if (vm === undefined) return undefined;
      return asked(`an operator drains ${vm.name}`, async () => (await context.client()).drainVm(vm.name));
    },
  },
  {
    name: 'delete',
    weight: 2,
    group: '',
    isPossible: always,
    async make(context) {
      const vm = await randomVm(context);
      if (vm === undefined) return undefined;
      return asked(`an operator deletes ${vm.name}`, async () => (await context.client()).deleteVm(vm.name));
    },
  },
  {
    name: 'scale',
    weight: 2,
    group: '',
    isPossible: always,
    async make(context) {
      const desired = context.random.int(1, 2);
      return asked(`an operator wants ${desired} VMs for jobs`, async () =>
        (await context.client()).scalePool(context.pool, desired),
      );
    },
  },
  {
    name: 'deploy',
    weight: 1,
    group: 'deploy',
    isPossible: always,
    async make(context) {
      return asked('a new revision of the service is deployed', async () =>
        new ServiceClient(await context.client()).deploy({ name: context.service }, ['examples/services/fibonacci.py']),
      );
    },
  },
];
