import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { TidepoolError } from '../../domain/errors.ts';
import type { OnceKey } from '../../domain/once.ts';
import type { Service } from '../../domain/service.ts';
import {
  deployedSchema,
  deploymentSchema,
  endpointListSchema,
  serviceListSchema,
  serviceLogSchema,
  serviceSchema,
} from '../../protocol/services.ts';
import { Turns } from '../../reconcile/turns.ts';
import { findService } from '../../services/context.ts';
import { deployService, rollBack } from '../../services/deploy.ts';
import { deleteService, startService, stopService } from '../../services/lifecycle.ts';
import { serviceOutput } from '../../services/output.ts';
import { measuredOnly } from '../../storage/measured.ts';
import { withUpload } from '../../storage/upload.ts';
import { needs, reads, viewer, visibleOwner } from '../access.ts';
import type { HttpContext } from '../context.ts';
import { readDeployment, type SentDeployment } from '../deployment.ts';
import { binary, onceHeaders, resumeHeaders } from '../docs.ts';
import { followEndpoints } from '../endpoint-stream.ts';
import { newWork } from '../new-work.ts';
import { forgotten, isRepeated, onceKey } from '../once.ts';
import { serviceView } from '../service-views.ts';
import { sendEvents } from '../sse.ts';

const nameParams = z.object({ name: z.string().max(64) });
const tags = ['services'];
const config = needs('services');

/** What a deployment is made of, for the documents. */
const deploymentForm = z.object({
  spec: deploymentSchema,
  file: z.array(binary).describe('The Python files; the handler is in the first one unless `entry` says otherwise'),
});

/** What a deployment made. */
interface Deployed {
  readonly name: string;
  readonly revision: number;
}

/** Services: deploy, look, stop, start, roll back, delete; their endpoints and output. */
export function serviceRoutes({ services, storage }: HttpContext): FastifyPluginAsyncZod {
  const { context, controller } = services;
  const { store } = context;
  /** So that the same request, sent twice at the same time, is done once. */
  const withKey = new Turns();
  const find = (request: FastifyRequest & { params: { name: string } }): Promise<Service> =>
    findService(context, request.params.name, visibleOwner(request));
  const view = async ({ name }: Pick<Service, 'name'>) =>
    serviceView(services, await findService(context, name, null), await store.vms.list());
  return async (app) => {
    const deployDocs = {
      ...{ tags, operationId: 'deployService', summary: 'Deploy a service, or a new revision of it' },
      response: { 201: deployedSchema },
    };
    const makes = { ...config, ...newWork, form: deploymentForm, headers: onceHeaders };
    app.post('/services', { schema: deployDocs, config: makes }, async (request, reply) => {
      if (await isRepeated(request, viewer(request).name, storage)) {
        const sent = await readDeployment(request, measuredOnly);
        const key = onceKey(request, viewer(request).name, sent.hash);
        const earlier = key && (await withKey.run(() => earlierOf(key)));
        if (earlier === undefined) throw forgotten();
        return reply.code(201).send({ service: await view({ name: earlier.name }), revision: earlier.revision });
      }
      const { name, revision } = await withUpload(storage, async (blobs) => {
        const sent = await readDeployment(request, blobs);
        const key = onceKey(request, viewer(request).name, sent.hash);
        return key === undefined ? deploy(request, sent) : withKey.run(() => deployOnce(request, sent, key));
      });
      return reply.code(201).send({ service: await view({ name }), revision });
    });

    const listDocs = { tags, operationId: 'listServices', summary: 'Services', response: { 200: serviceListSchema } };
    app.get('/services', { schema: listDocs, config: reads }, async (request) => {
      const owner = visibleOwner(request);
      const seen = (await store.services.list()).filter((one) => owner === null || one.owner === owner);
      const vms = await store.vms.list();
      return { services: await Promise.all(seen.map((service) => serviceView(services, service, vms))) };
    });

    const one = { tags, params: nameParams, response: { 200: serviceSchema } };
    const showDocs = { ...one, operationId: 'getService', summary: 'One service' };
    app.get('/services/:name', { schema: showDocs, config: reads }, async (request) => view(await find(request)));

    const changes = [
      ['stop', 'Shut its VMs down; nothing of it is lost', stopService, config],
      ['start', 'Run a stopped service again', startService, { ...config, ...newWork }],
      [
        'rollback',
        'Deploy again what served before; during a rollout, what serves',
        rollBack,
        { ...config, ...newWork },
      ],
    ] as const;
    for (const [verb, summary, change, access] of changes) {
      const docs = { ...one, operationId: `${verb}Service`, summary };
      app.post(`/services/:name/${verb}`, { schema: docs, config: access }, async (request) => {
        const service = await find(request);
        await change(context, service);
        return view(service);
      });
    }

    const deleteDocs = {
      ...{ ...one, operationId: 'deleteService', summary: 'Shut its VMs down, then delete it' },
      description: 'With its revisions, keys and values.',
    };
    app.delete('/services/:name', { schema: deleteDocs, config }, async (request) => {
      const service = await find(request);
      await deleteService(context, service);
      return view(service);
    });

    const endpointDocs = {
      ...{ tags, operationId: 'followServiceEndpoints', summary: 'Where its VMs answer', params: nameParams },
      description: 'As server-sent events with all changes, or once for `Accept: application/json`.',
    };
    const streams = { ...reads, sends: 'text/event-stream', headers: resumeHeaders } as const;
    app.get('/services/:name/endpoints', { schema: endpointDocs, config: streams }, async (request, reply) => {
      const { name } = await find(request);
      const { accept = '' } = request.headers;
      if (accept.includes('application/json') && !accept.includes('text/event-stream'))
        return endpointListSchema.parse({ endpoints: controller.endpoints(name) });
      const lastId = Number(request.headers['last-event-id'] ?? Number.NaN);
      const from = Number.isSafeInteger(lastId) ? lastId : ((await store.events.newest(1)).at(-1)?.id ?? 0);
      return sendEvents(reply, (gone) => followEndpoints(services, name, from, gone));
    });

    const logDocs = {
      ...{ tags, operationId: 'getServiceLogs', summary: 'The newest lines that its processes wrote' },
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

  async function deploy(request: FastifyRequest, { deployment }: SentDeployment): Promise<Deployed> {
    const owner = await ownerFor(deployment.name, request);
    const { service, revision } = await deployService(context, { ...deployment, owner });
    return { name: service.name, revision: revision.number };
  }

  async function earlierOf(key: OnceKey): Promise<Deployed | undefined> {
    const earlier = await store.once.find(key, context.clock.now());
    if (earlier === undefined) return undefined;
    if (earlier.state === 'other')
      throw new TidepoolError('conflict', 'the Idempotency-Key was sent with another request');
    const [name = '', revision] = earlier.outcome.split(' ');
    return { name, revision: Number(revision) };
  }

  /** A crash between the two writes makes a second revision of the same files, which does no harm. */
  async function deployOnce(request: FastifyRequest, sent: SentDeployment, key: OnceKey): Promise<Deployed> {
    const earlier = await earlierOf(key);
    if (earlier !== undefined) return earlier;
    const deployed = await deploy(request, sent);
    await store.once.remember(key, `${deployed.name} ${deployed.revision}`, context.clock.now());
    return deployed;
  }

  /** An administrator deploys another's service in that one's name. */
  async function ownerFor(name: string, request: FastifyRequest): Promise<string> {
    const known = visibleOwner(request) === null ? await store.services.get(name) : undefined;
    return known?.owner ?? viewer(request).name;
  }
}
