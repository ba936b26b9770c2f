import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { TidepoolError } from '../../domain/errors.ts';
import type { PoolSettings } from '../../domain/pool.ts';
import type { Vm } from '../../domain/vm.ts';
import {
  decisionSchema,
  poolChangeSchema,
  poolListSchema,
  poolScaleSchema,
  poolSchema,
  type UsageView,
  usageListSchema,
  usageSchema,
} from '../../protocol/api.ts';
import { adminOnly, reads } from '../access.ts';
import type { HttpContext, ServedPool } from '../context.ts';
import { sendLongList } from '../long-list.ts';
import { newWork } from '../new-work.ts';
import { poolView } from '../views.ts';

const tags = ['pools'];
/** For what may make a pool larger. */
const steers = { ...adminOnly, ...newWork };
/** How far back `GET /usage` goes unless it is asked otherwise. */
const usualUsageMs = 60_000;
/** Samples of all VMs together in one answer. */
const mostSamples = 10_000;
const nameParams = z.object({ name: z.string().max(64) });

/** Pools: look, scale by hand, change, pause. */
export function poolRoutes(context: HttpContext): FastifyPluginAsyncZod {
  const { store } = context.jobs;
  const view = async (pool: ServedPool) => poolView(pool, await store.vms.ofPool(pool.name));
  return async (app) => {
    const listDocs = { tags, operationId: 'listPools', summary: 'All pools', response: { 200: poolListSchema } };
    app.get('/pools', { schema: listDocs, config: reads }, async () => ({
      pools: await Promise.all(context.pools.map(view)),
      queuedJobs: await store.jobs.countQueued(),
    }));

    const one = { tags, params: nameParams, response: { 200: poolSchema } };
    const showDocs = { ...one, operationId: 'getPool', summary: 'One pool' };
    app.get('/pools/:name', { schema: showDocs, config: reads }, async (request) =>
      view(findPool(context, request.params.name)),
    );

    const scaleDocs = {
      ...{ ...one, operationId: 'scalePool', summary: 'Set the number of VMs in service' },
      description: 'The autoscaler may change it again unless it is paused.',
      body: poolScaleSchema,
    };
    app.post('/pools/:name/scale', { schema: scaleDocs, config: steers }, async (request) => {
      const pool = findPool(context, request.params.name);
      const { min, max } = pool.controller.size.settings;
      const { desired } = request.body;
      if (desired < min || desired > max) {
        throw new TidepoolError(
          'invalid',
          `pool ${pool.name} may have ${min} to ${max} VMs, not ${desired}; change its bounds first`,
        );
      }
      await pool.controller.scale(desired, 'by hand');
      return view(pool);
    });

    const changeDocs = {
      ...{ ...one, operationId: 'changePool', summary: 'Change settings' },
      body: poolChangeSchema,
    };
    app.patch('/pools/:name', { schema: changeDocs, config: steers }, async (request) => {
      const pool = findPool(context, request.params.name);
      const changes = Object.fromEntries(Object.entries(request.body).filter(([, value]) => value !== undefined));
      pool.autoscaler.checkPolicies(request.body.policies ?? []);
      await pool.controller.change(changes as Partial<PoolSettings>);
      return view(pool);
    });

    for (const [verb, paused] of [
      ['pause', true],
      ['resume', false],
    ] as const) {
      const docs = {
        ...{ ...one, operationId: `${verb}Pool`, summary: `${paused ? 'Pause' : 'Resume'} the autoscaler` },
      };
      app.post(`/pools/:name/${verb}`, { schema: docs, config: adminOnly }, async (request) => {
        const pool = findPool(context, request.params.name);
        await pool.controller.change({ paused });
        return view(pool);
      });
    }

    const planDocs = {
      ...{ tags, operationId: 'planPool', summary: 'What would be decided now, and why; nothing is changed' },
      params: nameParams,
      response: { 200: decisionSchema },
    };
    app.get('/pools/:name/plan', { schema: planDocs, config: reads }, async (request) => {
      const decision = await findPool(context, request.params.name).autoscaler.decide();
      return { ...decision, recommendations: [...decision.recommendations], limits: [...decision.limits] };
    });

    const usageDocs = {
      ...{ tags: ['vms'], operationId: 'listUsage', summary: 'CPU, memory, disk and network of every VM' },
      description: `A value a second, oldest first: of the last minute unless ${'`sinceMs`'} is given. At most ${mostSamples} of all VMs together, then the newest of each.`,
      querystring: z.object({ sinceMs: z.coerce.number().min(0).optional() }),
      response: { 200: usageListSchema },
    };
    app.get('/usage', { schema: usageDocs, config: reads }, async (request, reply) => {
      const { sinceMs = context.jobs.clock.now() - usualUsageMs } = request.query;
      const vms = await store.vms.list();
      const most = Math.max(1, Math.floor(mostSamples / Math.max(1, vms.length)));
      const view = ({ name, pool, state }: Vm): UsageView => {
        return { vm: name, pool, state, samples: context.usages(name, sinceMs, most) };
      };
      return sendLongList(reply, context.jobs.clock, { name: 'vms', row: usageSchema, values: vms, view });
    });
  };
}

function findPool(context: HttpContext, name: string): ServedPool {
  const pool = context.pools.find((candidate) => candidate.name === name);
  if (pool !== undefined) return pool;
  throw new TidepoolError(
    'not_found',
    `there is no pool ${name}; there are: ${context.pools.map((one) => one.name).join(', ')}`,
  );
}
