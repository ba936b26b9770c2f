import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Service } from '../../domain/service.ts';
import type { LoadTarget } from '../../loads/load-runs.ts';
import { loadAnswerSchema, loadBodySchema } from '../../protocol/loads.ts';
import { findService } from '../../services/context.ts';
import { needs, reads, visibleOwner } from '../access.ts';
import type { HttpContext } from '../context.ts';
import { newWork } from '../new-work.ts';

const params = z.object({ name: z.string().max(64) });
const config = needs('services');

/** Load that the server makes for a service, by those who may change the service. */
export function loadRoutes({ services, loads }: HttpContext): FastifyPluginAsyncZod {
  const { context, controller } = services;
  const find = (request: FastifyRequest & { params: { name: string } }): Promise<Service> =>
    findService(context, request.params.name, visibleOwner(request));

  /** Only the service's own front door or endpoints; nobody says where else requests go. */
  const target = ({ name, protocol, port }: Service): LoadTarget => ({
    service: name,
    protocol,
    servers: () =>
      port === null
        ? controller.endpoints(name).map(({ vm, host, port: at }) => ({ name: vm, host, port: at }))
        : [{ name: 'front door', host: context.rules.host, port }],
  });

  return async (app) => {
    const one = { tags: ['services'], params, response: { 200: loadAnswerSchema } };
    const showDocs = { ...one, operationId: 'getServiceLoad', summary: 'The load that the server makes for it' };
    app.get('/services/:name/load', { schema: showDocs, config: reads }, async (request) => ({
      load: loads.view((await find(request)).name),
    }));

    const startDocs = {
      ...{ ...one, operationId: 'startServiceLoad', summary: 'Make load for it, in place of what there is' },
      description: 'For trying things out; `tidepool load` makes more, and measures better.',
      body: loadBodySchema,
    };
    app.put('/services/:name/load', { schema: startDocs, config: { ...config, ...newWork } }, async (request) => {
      const service = await find(request);
      return { load: loads.start(target(service), request.body) };
    });

    const stopDocs = { ...one, operationId: 'stopServiceLoad', summary: 'Make no more load for it' };
    app.delete('/services/:name/load', { schema: stopDocs, config }, async (request) => {
      const { name } = await find(request);
      await loads.stop(name);
      return { load: loads.view(name) };
    });
  };
}
