import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { healthSchema } from '../../protocol/api.ts';
import { databaseCopySchema, serverFactsSchema } from '../../protocol/server.ts';
import { adminOnly, open, reads } from '../access.ts';
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

    const factsDocs = {
      ...{ tags, operationId: 'getServer', summary: 'What an upgrade of the server depends on' },
      response: { 200: serverFactsSchema },
    };
    app.get('/server', { schema: factsDocs, config: adminOnly }, () => context.upkeep.facts());

    const copyDocs = {
      ...{ tags, operationId: 'copyDatabase', summary: 'Copy the database, for a backup' },
      description:
        "The copy is a file in the server's data folder, consistent while all goes on; who asked removes it.",
      response: { 201: databaseCopySchema },
    };
    app.post('/server/database-copies', { schema: copyDocs, config: adminOnly }, async (_request, reply) =>
      reply.code(201).send(await context.upkeep.copyDatabase()),
    );
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
