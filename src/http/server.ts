import multipart from '@fastify/multipart';
import swagger from '@fastify/swagger';
import { type FastifyInstance, fastify, type RouteOptions } from 'fastify';
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { TidepoolError } from '../domain/errors.ts';
import { healthSchema } from '../protocol/api.ts';
import { open, reads, requireDeclarations } from './access.ts';
import type { HttpContext } from './context.ts';
import { sendError } from './errors.ts';
import { prometheusText } from './prometheus.ts';
import { accountRoutes } from './routes/accounts.ts';
import { eventRoutes } from './routes/events.ts';
import { jobRoutes } from './routes/jobs.ts';
import { poolRoutes } from './routes/pools.ts';
import { resultRoutes } from './routes/results.ts';
import { serviceRoutes } from './routes/services.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { userRoutes } from './routes/users.ts';
import { vmRoutes } from './routes/vms.ts';
import { addDoorkeeper } from './session.ts';

/**
 * The HTTP server, ready to listen. Who may use a route is told beside the route (access.ts).
 * @param onRoute told of every route
 */
export async function buildServer(
  context: HttpContext,
  onRoute: (route: RouteOptions) => void = () => undefined,
): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: 1024 * 1024,
    forceCloseConnections: true,
    trustProxy: [...context.trustedProxies],
    // A HEAD would wait for the end of streams that have none.
    exposeHeadRoutes: false,
  }).withTypeProvider<ZodTypeProvider>();
  requireDeclarations(app, onRoute);
  addDoorkeeper(app, context.accounts, context.allowedHosts);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply, context.jobs.log));
  app.setNotFoundHandler((request, reply) => {
    const error = new TidepoolError('not_found', `there is nothing at ${request.method} ${request.url}`);
    sendError(error, request, reply, context.jobs.log);
  });
  await app.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title: 'Tidepool', version: context.version } },
    transform: jsonSchemaTransform,
  });
  await app.register(multipart, { limits: { parts: 8, fieldSize: 1024 * 1024, fileSize: Number.MAX_SAFE_INTEGER } });

  app.get('/api/openapi.json', { schema: { hide: true }, config: open }, async () => app.swagger());
  app.get(
    '/api/v1/health',
    { schema: { summary: 'Whether jobs are accepted', response: { 200: healthSchema } }, config: open },
    async () => {
      const vms = await context.jobs.store.vms.list();
      const readyVms = vms.filter((vm) => vm.state === 'ready').length;
      return { status: context.status(), version: context.version, readyVms };
    },
  );
  app.get('/metrics', { schema: { hide: true }, config: reads }, async (_request, reply) =>
    reply.type('text/plain; version=0.0.4').send(await prometheusText(context)),
  );
  await app.register(
    async (api) => {
      await api.register(accountRoutes(context));
      await api.register(userRoutes(context));
      await api.register(tokenRoutes(context));
      await api.register(jobRoutes(context));
      await api.register(resultRoutes(context));
      await api.register(vmRoutes(context));
      await api.register(poolRoutes(context));
      await api.register(serviceRoutes(context.services));
      await api.register(eventRoutes(context));
    },
    { prefix: '/api/v1' },
  );
  return app;
}
