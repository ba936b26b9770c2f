import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { healthSchema } from '../../protocol/api.ts';
import { open, reads } from '../access.ts';
import type { HttpContext } from '../context.ts';
import { prometheusText } from '../prometheus.ts';

const tags = ['server'];

/** The server itself: health. */
export function serverRoutes(context: HttpContext): FastifyPluginAsyncZod {
  return async (app) => {
    const healthDocs = {
      ...{ tags, operationId: 'getHealth', summary: 'Whether jobs are accepted' },
      response: { 200: healthSchema },
    };
    app.get('/health', { schema: healthDocs, config: open }, async () => {
      const vms = await context.jobs.store.vms.list();
      const readyVms = vms.filter((vm) => vm.state === 'ready').length;
      return { status: context.status(), version: context.version, readyVms };
    });
  };
}

/** Metrics, where Prometheus looks for them. */
export function metricsRoute(context: HttpContext): FastifyPluginAsyncZod {
  return async (app) => {
    const docs = { tags, operationId: 'getMetrics', summary: 'Metrics in the text format of Prometheus' };
    app.get('/metrics', { schema: docs, config: { ...reads, sends: 'text/plain' } }, async (_request, reply) =>
      reply.type('text/plain; version=0.0.4').send(await prometheusText(context)),
    );
  };
}
