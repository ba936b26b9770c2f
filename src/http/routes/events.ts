import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { eventNames } from '../../domain/event.ts';
import { eventListSchema } from '../../protocol/api.ts';
import { reads } from '../access.ts';
import type { HttpContext } from '../context.ts';
import { resumeHeaders } from '../docs.ts';
import { followEvents } from '../event-stream.ts';
import { pageOf, pageQuery } from '../page.ts';
import { sendEvents } from '../sse.ts';

const tags = ['events'];

/** Which events: of one pool, of some names. */
const filterQuery = {
  pool: z.string().max(64).optional(),
  name: z
    .string()
    .max(500)
    .transform((names) => names.split(','))
    .pipe(z.array(z.enum(eventNames)))
    .optional()
    .meta({ description: 'Names of events, with commas between them' }),
};

/** What happened to VMs and pools: as a list, or followed as server-sent events. */
export function eventRoutes(context: HttpContext): FastifyPluginAsyncZod {
  const { events } = context.jobs.store;
  return async (app) => {
    const listDocs = {
      ...{ tags, operationId: 'listEvents', summary: 'The newest events, oldest first' },
      description: 'With `cursor` those before them.',
      querystring: z.object({
        ...pageQuery(1_000, 100),
        ...filterQuery,
        cursor: z.coerce.number().int().min(0).optional(),
      }),
      response: { 200: eventListSchema },
    };
    app.get('/events', { schema: listDocs, config: reads }, async (request) => {
      const { limit, cursor, pool, name: names } = request.query;
      const newestFirst = (await events.newest(limit + 1, cursor, { pool, names })).reverse();
      const { page, nextCursor } = pageOf(newestFirst, limit, ({ id }) => String(id));
      return { events: page.reverse(), nextCursor };
    });

    const followDocs = {
      ...{ tags, operationId: 'followEvents', summary: 'Events as they happen, as server-sent events' },
      description: 'Goes on after `Last-Event-ID` or `after`; else from now.',
      querystring: z.object({ ...filterQuery, after: z.coerce.number().int().min(0).optional() }),
    };
    const streams = { ...reads, sends: 'text/event-stream', headers: resumeHeaders } as const;
    app.get('/events/stream', { schema: followDocs, config: streams }, async (request, reply) => {
      const lastId = Number(request.headers['last-event-id'] ?? request.query.after ?? Number.NaN);
      const from = Number.isSafeInteger(lastId) ? lastId : ((await events.newest(1)).at(-1)?.id ?? 0);
      const { pool, name: names } = request.query;
      return sendEvents(reply, (gone) => followEvents(context, from, { pool, names }, gone));
    });
  };
}
