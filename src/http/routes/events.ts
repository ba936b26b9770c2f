import { Readable } from 'node:stream';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { eventListSchema } from '../../protocol/api.ts';
import { reads } from '../access.ts';
import type { HttpContext } from '../context.ts';
import { followEvents } from '../event-stream.ts';

const newestDefault = 100;

/** What happened to VMs and pools: as a list, or followed as server-sent events. */
export function eventRoutes(context: HttpContext): FastifyPluginAsyncZod {
  const { events } = context.jobs.store;
  return async (app) => {
    const querystring = z.object({ limit: z.coerce.number().int().min(1).max(1_000).default(newestDefault) });
    const listDocs = { summary: 'The newest events, oldest first', querystring, response: { 200: eventListSchema } };
    app.get('/events', { schema: listDocs, config: reads }, async (request) => ({
      events: await events.newest(request.query.limit),
    }));

    const followQuery = z.object({ after: z.coerce.number().int().min(0).optional() });
    const followDocs = {
      summary: 'Events as they happen (SSE); resumes after Last-Event-ID or `after`',
      querystring: followQuery,
    };
    app.get('/events/stream', { schema: followDocs, config: reads }, async (request, reply) => {
      const gone = new AbortController();
      reply.raw.on('close', () => gone.abort());
      const lastId = Number(request.headers['last-event-id'] ?? request.query.after ?? Number.NaN);
      const from = Number.isSafeInteger(lastId) ? lastId : ((await events.newest(1)).at(-1)?.id ?? 0);
      return reply
        .header('content-type', 'text/event-stream')
        .header('cache-control', 'no-store')
        .send(Readable.from(followEvents(context, from, gone.signal)));
    });
  };
}
