import { Readable } from 'node:stream';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { TidepoolError } from '../../domain/errors.ts';
import { jobFilesSchema } from '../../protocol/api.ts';
import { reads, visibleOwner } from '../access.ts';
import type { HttpContext } from '../context.ts';
import { findJob, type LogPosition, logEvents } from '../log-stream.ts';

const idParams = z.object({ id: z.string().max(64) });
const positionPattern = /^(\d{1,6}):(\d{1,15})$/;

/** A job's output and produced files. */
export function resultRoutes(context: HttpContext): FastifyPluginAsyncZod {
  return async (app) => {
    const querystring = z.object({
      follow: z.stringbool().default(false),
      from: z.string().regex(positionPattern, 'is ATTEMPT:OFFSET').optional(),
    });
    const logDocs = {
      summary: 'Output as server-sent events; resumes after Last-Event-ID or `from`',
      params: idParams,
      querystring,
    };
    app.get('/jobs/:id/logs', { schema: logDocs, config: reads }, async (request, reply) => {
      const job = await findJob(context, request.params.id, visibleOwner(request));
      const gone = new AbortController();
      reply.raw.on('close', () => gone.abort());
      const from = position(request.headers['last-event-id'] ?? request.query.from);
      const events = logEvents(context, job.id, from, request.query.follow, gone.signal);
      return reply
        .header('content-type', 'text/event-stream')
        .header('cache-control', 'no-store')
        .header('x-accel-buffering', 'no')
        .send(Readable.from(events));
    });

    const filesDocs = {
      summary: 'Files that the job wrote to ./out',
      params: idParams,
      response: { 200: jobFilesSchema },
    };
    app.get('/jobs/:id/files', { schema: filesDocs, config: reads }, async (request) => {
      await findJob(context, request.params.id, visibleOwner(request));
      const files = await context.jobs.store.jobs.files(request.params.id);
      return { files: files.map(({ path, sizeBytes }) => ({ path, sizeBytes })) };
    });

    const fileParams = z.object({ id: z.string().max(64), '*': z.string().max(2048) });
    app.get(
      '/jobs/:id/files/*',
      { schema: { summary: 'One produced file', params: fileParams }, config: reads },
      async (request, reply) => {
        const { id, '*': path } = request.params;
        await findJob(context, id, visibleOwner(request));
        const file = (await context.jobs.store.jobs.files(id)).find((candidate) => candidate.path === path);
        if (file === undefined) throw new TidepoolError('not_found', `job ${id} has no file ${JSON.stringify(path)}`);
        const { sizeBytes, content } = await context.jobs.blobs.read(file.blob);
        // A stranger wrote it: never let a browser render it as a page of ours.
        return reply
          .header('content-type', 'application/octet-stream')
          .header('content-length', sizeBytes)
          .header('content-disposition', 'attachment')
          .header('x-content-type-options', 'nosniff')
          .header('content-security-policy', 'sandbox')
          .send(Readable.from(content));
      },
    );
  };
}

function position(text: string | string[] | undefined): LogPosition {
  const match = positionPattern.exec(typeof text === 'string' ? text : '');
  return { attempt: Number(match?.[1] ?? 0), offset: Number(match?.[2] ?? 0) };
}
