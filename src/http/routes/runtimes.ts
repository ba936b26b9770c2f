import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { Runtime, RuntimeBuild } from '../../domain/image.ts';
import { type RuntimeView, runtimeListSchema } from '../../protocol/runtimes.ts';
import { reads } from '../access.ts';
import type { HttpContext } from '../context.ts';

/** What jobs and services can run in. */
export function runtimeRoutes({ jobs, image, runtimeBuilds }: HttpContext): FastifyPluginAsyncZod {
  return async (app) => {
    const docs = {
      ...{ tags: ['server'], operationId: 'listRuntimes', summary: 'The VM image and the runtimes, built or not' },
      response: { 200: runtimeListSchema },
    };
    app.get('/runtimes', { schema: docs, config: reads }, async () => {
      const { id, sizeBytes, createdAtMs } = image;
      const names = await jobs.runtimes.names();
      return {
        runtimes: runtimeViews(names, await jobs.runtimes.list(), runtimeBuilds()),
        image: { id, sizeBytes, createdAtMs },
      };
    });
  };
}

/** Each name that a job may ask for, with what is known of it. Pure. */
function runtimeViews(
  names: readonly string[],
  built: readonly Runtime[],
  builds: readonly RuntimeBuild[],
): RuntimeView[] {
  return names.map((name) => {
    const found = built.find((one) => one.name === name);
    const build = builds.find((one) => one.name === name);
    const unbuilt = build === undefined ? 'missing' : build.hasFailed ? 'failed' : 'building';
    return {
      ...{ name, state: found === undefined ? unbuilt : 'built', text: found === undefined ? (build?.text ?? '') : '' },
      ...{ sizeBytes: found?.sizeBytes ?? null, createdAtMs: found?.createdAtMs ?? null },
      isImage: (found?.image ?? null) !== null,
    };
  });
}
