import multipart from '@fastify/multipart';
import { type FastifyInstance, fastify, type RouteOptions } from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { TidepoolError } from '../domain/errors.ts';
import { requireDeclarations } from './access.ts';
import type { HttpContext } from './context.ts';
import { addDocuments } from './docs.ts';
import { refuseNoHttp, sendError } from './errors.ts';
import { refuseNewWork } from './new-work.ts';
import { accountRoutes } from './routes/accounts.ts';
import { eventRoutes } from './routes/events.ts';
import { hostRoutes } from './routes/hosts.ts';
import { jobRoutes } from './routes/jobs.ts';
import { loadRoutes } from './routes/loads.ts';
import { oldDoorRoutes } from './routes/old-doors.ts';
import { poolRoutes } from './routes/pools.ts';
import { resultRoutes } from './routes/results.ts';
import { runtimeRoutes } from './routes/runtimes.ts';
import { metricsRoute, serverRoutes } from './routes/server.ts';
import { serviceRoutes } from './routes/services.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { userRoutes } from './routes/users.ts';
import { vmRoutes } from './routes/vms.ts';
import { workerRoutes } from './routes/workers.ts';
import { addDoorkeeper } from './session.ts';
import { addSite } from './site.ts';

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
    // Of a connection on which nothing moves: longer than it takes to look through the largest dataset.
    connectionTimeout: 600_000,
    forceCloseConnections: true,
    trustProxy: [...context.trustedProxies],
    // A HEAD would wait for the end of streams that have none.
    exposeHeadRoutes: false,
    frameworkErrors: (error, request, reply) => sendError(error, request, reply, context.jobs.log),
    clientErrorHandler: refuseNoHttp,
  }).withTypeProvider<ZodTypeProvider>();
  requireDeclarations(app, onRoute);
  addDoorkeeper(app, context.accounts, context.allowedHosts);
  refuseNewWork(app, context);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply, context.jobs.log));
  const sendPage = context.site === undefined ? () => false : addSite(app, context.site);
  app.setNotFoundHandler((request, reply) => {
    if (sendPage(request, reply)) return;
    const error = new TidepoolError('not_found', `there is nothing at ${request.method} ${request.url}`);
    sendError(error, request, reply, context.jobs.log);
  });
  await addDocuments(app, context.version);
  await app.register(multipart, { limits: { parts: 8, fieldSize: 1024 * 1024, fileSize: Number.MAX_SAFE_INTEGER } });

  await app.register(metricsRoute(context));
  await app.register(oldDoorRoutes(context));
  await app.register(
    async (api) => {
      await api.register(serverRoutes(context));
      await api.register(accountRoutes(context));
      await api.register(userRoutes(context));
      await api.register(tokenRoutes(context));
      await api.register(jobRoutes(context));
      await api.register(resultRoutes(context));
      await api.register(vmRoutes(context));
      await api.register(workerRoutes(context));
      await api.register(poolRoutes(context));
      await api.register(serviceRoutes(context));
      await api.register(loadRoutes(context));
      await api.register(hostRoutes(context));
      await api.register(runtimeRoutes(context));
      await api.register(eventRoutes(context));
    },
    { prefix: '/api/v1' },
  );
  return app;
}
