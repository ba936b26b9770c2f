import { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { TidepoolError } from '../../domain/errors.ts';
import type { Service } from '../../domain/service.ts';
import {
  deployedSchema,
  endpointListSchema,
  serviceListSchema,
  serviceLogSchema,
  serviceSchema,
} from '../../protocol/services.ts';
import { findService } from '../../services/context.ts';
import { deployService, rollBack } from '../../services/deploy.ts';
import { deleteService, startService, stopService } from '../../services/lifecycle.ts';
import { serviceOutput } from '../../services/output.ts';
import { needs, reads, viewer, visibleOwner } from '../access.ts';
import { readDeployment } from '../deployment.ts';
import { followEndpoints } from '../endpoint-stream.ts';
import { type ServedServices, serviceView } from '../service-views.ts';

const nameParams = z.object({ name: z.string().max(64) });
const config = needs('services');

/** Services: deploy, look, stop, start, roll back, delete; their endpoints and output. */
export function serviceRoutes(services: ServedServices): FastifyPluginAsyncZod {
  const { context, controller } = services;
  const { store } = context;
  const find = (request: FastifyRequest & { params: { name: string } }): Promise<Service> =>
    findService(context, request.params.name, visibleOwner(request));
  const view = async ({ name }: Service) =>
    serviceView(services, await findService(context, name, null), await store.vms.list());
  return async (app) => {
    const deployDocs = {
      summary: 'Deploy a service: multipart/form-data with `spec` (JSON) and a `file` part for each file',
      consumes: ['multipart/form-data'],
      response: { 201: deployedSchema },
    };
    app.post('/services', { schema: deployDocs, config }, async (request, reply) => {
      const deployment = await readDeployment(request, context.blobs);
      const owner = await ownerFor(deployment.name, request);
      const { service, revision } = await deployService(context, { ...deployment, owner });
      return reply.code(201).send({ service: await view(service), revision: revision.number });
    });

    const listDocs = { summary: 'Services', response: { 200: serviceListSchema } };
    app.get('/services', { schema: listDocs, config: reads }, async (request) => {
      const owner = visibleOwner(request);
      const seen = (await store.services.list()).filter((one) => owner === null || one.owner === owner);
      const vms = await store.vms.list();
      return { services: await Promise.all(seen.map((service) => serviceView(services, service, vms))) };
    });

    const one = { params: nameParams, response: { 200: serviceSchema } };
    app.get('/services/:name', { schema: { summary: 'One service', ...one }, config: reads }, async (request) =>
      view(await find(request)),
    );

    const changes = [
      ['stop', 'Shut its VMs down; nothing of it is lost', stopService],
      ['start', 'Run a stopped service again', startService],
      ['rollback', 'Deploy again what served before; during a rollout, what serves', rollBack],
    ] as const;
    for (const [verb, summary, change] of changes) {
      app.post(`/services/:name/${verb}`, { schema: { summary, ...one }, config }, async (request) => {
        const service = await find(request);
        await change(context, service);
        return view(service);
      });
    }

    const deleteDocs = { summary: 'Shut its VMs down, then delete it with its revisions, keys and values', ...one };
    app.delete('/services/:name', { schema: deleteDocs, config }, async (request) => {
      const service = await find(request);
      await deleteService(context, service);
      return view(service);
    });

    const endpointDocs = {
      summary: 'Where its VMs answer: as server-sent events with all changes, or once for `Accept: application/json`',
      params: nameParams,
    };
    app.get('/services/:name/endpoints', { schema: endpointDocs, config: reads }, async (request, reply) => {
      const { name } = await find(request);
      const { accept = '' } = request.headers;
      if (accept.includes('application/json') && !accept.includes('text/event-stream'))
        return endpointListSchema.parse({ endpoints: controller.endpoints(name) });
      const gone = new AbortController();
      reply.raw.on('close', () => gone.abort());
      const lastId = Number(request.headers['last-event-id'] ?? Number.NaN);
      const from = Number.isSafeInteger(lastId) ? lastId : ((await store.events.newest(1)).at(-1)?.id ?? 0);
      return reply
        .header('content-type', 'text/event-stream')
        .header('cache-control', 'no-store')
        .send(Readable.from(followEndpoints(services, name, from, gone.signal)));
    });

    const logDocs = {
      summary: 'The newest lines that its processes wrote',
      params: nameParams,
      querystring: z.object({
        vm: z.string().max(64).optional(),
        tail: z.coerce.number().int().min(1).max(10_000).default(100),
      }),
      response: { 200: serviceLogSchema },
    };
    app.get('/services/:name/logs', { schema: logDocs, config: reads }, async (request) => {
      const { name } = await find(request);
      const { vm, tail } = request.query;
      const seen = controller.seen(name).filter((one) => vm === undefined || one.vm.name === vm);
      if (vm !== undefined && seen.length === 0)
        throw new TidepoolError('not_found', `there is no VM ${vm} that runs ${name}`);
      return { lines: await serviceOutput(context.link, name, seen, tail) };
    });
  };

  /** An administrator deploys another's service in that one's name. */
  async function ownerFor(name: string, request: FastifyRequest): Promise<string> {
    const known = visibleOwner(request) === null ? await store.services.get(name) : undefined;
    return known?.owner ?? viewer(request).name;
  }
}
