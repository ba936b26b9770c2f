import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { toTidepoolError } from '../../domain/errors.ts';
import type { HostInfo } from '../../domain/hypervisor.ts';
import type { Vm } from '../../domain/vm.ts';
import { joinedPool } from '../../domain/worker.ts';
import { type HostView, hostListSchema } from '../../protocol/hosts.ts';
import { reads } from '../access.ts';
import type { HttpContext } from '../context.ts';

const MiB = 1024 ** 2;

/** Where VMs run. */
export function hostRoutes({ jobs, host, rules }: HttpContext): FastifyPluginAsyncZod {
  return async (app) => {
    const docs = {
      ...{ tags: ['server'], operationId: 'listHosts', summary: 'The hosts, what they have and what VMs take of it' },
      response: { 200: hostListSchema },
    };
    app.get('/hosts', { schema: docs, config: reads }, async () => {
      const vms = (await jobs.store.vms.list()).filter(({ pool }) => pool !== joinedPool);
      return { hosts: [{ ...(await facts(host)), vms: given(vms, rules.flavors) }] };
    });
  };
}

/** A host whose hypervisor does not answer is listed too. */
async function facts({ uri, accelerator, info }: HttpContext['host']): Promise<Omit<HostView, 'vms'>> {
  try {
    const told: HostInfo = await info();
    return { ...told, uri, accelerator, state: 'up', reason: '' };
  } catch (error) {
    const unknown = { cpus: null, memoryBytes: null, hypervisor: null, libvirt: null };
    const reason = toTidepoolError(error).message;
    return { ...unknown, name: new URL(uri).hostname || 'localhost', uri, accelerator, state: 'down', reason };
  }
}

function given(vms: readonly Vm[], flavors: HttpContext['rules']['flavors']): HostView['vms'] {
  const sizes = vms.map((vm) => flavors.find(({ name }) => name === vm.flavor));
  return {
    count: vms.length,
    vcpus: sizes.reduce((sum, size) => sum + (size?.vcpus ?? 0), 0),
    memoryBytes: sizes.reduce((sum, size) => sum + (size?.memoryMiB ?? 0) * MiB, 0),
  };
}
