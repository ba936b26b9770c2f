import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { vmListSchema } from '../../protocol/api.ts';
import type { HttpContext } from '../context.ts';
import { vmView } from '../views.ts';

/** The pool's VMs. */
export function systemRoutes(context: HttpContext): FastifyPluginAsyncZod {
  const { store } = context.jobs;
  return async (app) => {
    app.get('/vms', { schema: { summary: 'All VMs', response: { 200: vmListSchema } } }, async () => {
      const active = await store.jobs.active();
      return { vms: (await store.vms.list()).map((vm) => vmView(vm, active)) };
    });
  };
}
