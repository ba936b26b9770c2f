import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { TidepoolError } from '../../domain/errors.ts';
import type { Job, JobFile } from '../../domain/job.ts';
import { jobFilesSchema } from '../../protocol/api.ts';
import { reads, visibleOwner } from '../access.ts';
import { sendAttachment } from '../attachment.ts';
import type { HttpContext } from '../context.ts';
import { resumeHeaders } from '../docs.ts';
import { findJob, type LogPosition, logEvents } from '../log-stream.ts';
import { rawOutput } from '../output.ts';
import { pageOf, pageQuery } from '../page.ts';
import { requestedRange } from '../range.ts';
import { sendEvents } from '../sse.ts';

const params = z.object({ id: z.string().max(64) });
const tags = ['jobs'];
const positionPattern = /^(\d{1,6}):(\d{1,15})$/;
const rangeHeaders = z.object({
  range: z.string().optional().describe('`bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-COUNT`'),
  'if-range': z.string().optional().describe('The ETag of the part that is there already'),
});

/** A job's output and produced files. */
export function resultRoutes(context: HttpContext): FastifyPluginAsyncZod {
  const { store, blobs } = context.jobs;
  const find = (request: FastifyRequest & { params: { id: string } }): Promise<Job> =>
    findJob(context, request.params.id, visibleOwner(request));
  return async (app) => {
    const logDocs = {
      ...{ tags, operationId: 'followJobLogs', summary: 'Output as server-sent events', params },
      description:
        'An event `output` has the id to go on after it; `damaged` says from which byte on the log of an attempt cannot be read; `end` comes last and is the job. Bytes are in base64.',
      querystring: z.object({
        follow: z.stringbool().default(false).describe('Until the job has ended, not only what is there'),
        from: z.string().regex(positionPattern, 'is ATTEMPT:OFFSET').optional(),
      }),
    };
    const streams = { ...reads, sends: 'text/event-stream', headers: resumeHeaders } as const;
    app.get('/jobs/:id/logs', { schema: logDocs, config: streams }, async (request, reply) => {
      const job = await find(request);
      const from = position(request.headers['last-event-id'] ?? request.query.from);
      return sendEvents(reply, (gone) => logEvents(context, job.id, from, request.query.follow, gone));
    });

    const outputDocs = {
      ...{ tags, operationId: 'downloadJobOutput', summary: 'What is there of its output, as it was written', params },
      querystring: z.object({
        stream: z.enum(['stdout', 'stderr', 'all']).default('all'),
        attempt: z.coerce.number().int().min(1).max(1_000).optional().describe('The last one unless given'),
      }),
    };
    const binary = { ...reads, sends: 'application/octet-stream' } as const;
    app.get('/jobs/:id/output', { schema: outputDocs, config: binary }, async (request, reply) => {
      const job = await find(request);
      const { stream, attempt = job.attempt } = request.query;
      const content = rawOutput(context.jobs.logs, job.id, attempt, stream);
      return sendAttachment(reply, `${job.id}.log`, 'application/octet-stream', content);
    });

    const filesDocs = {
      ...{ tags, operationId: 'listJobFiles', summary: 'Files that the job wrote to ./out, by path', params },
      querystring: z.object(pageQuery(1_000, 1_000)),
      response: { 200: jobFilesSchema },
    };
    app.get('/jobs/:id/files', { schema: filesDocs, config: reads }, async (request) => {
      const { limit, cursor } = request.query;
      const after = cursor === undefined ? {} : { after: cursor };
      const rows = await store.jobs.files((await find(request)).id, { limit: limit + 1, ...after });
      const { page, nextCursor } = pageOf(rows, limit, ({ path }) => path);
      return { files: page.map(({ path, sizeBytes }) => ({ path, sizeBytes })), nextCursor };
    });

    const fileDocs = {
      ...{ tags, operationId: 'downloadJobFile', summary: 'One of its files, or a part of it' },
      params: z.object({ id: z.string().max(64), '*': z.string().max(2_048).describe('The path of the file') }),
    };
    const ranged = { ...binary, headers: rangeHeaders } as const;
    app.get('/jobs/:id/files/*', { schema: fileDocs, config: ranged }, async (request, reply) => {
      const { id } = await find(request);
      const path = request.params['*'];
      const file = await store.jobs.file(id, path);
      if (file === undefined) throw new TidepoolError('not_found', `job ${id} has no file ${JSON.stringify(path)}`);
      return sendFile(request, reply, file);
    });

    const archiveDocs = {
      ...{ tags, operationId: 'downloadJobFiles', summary: 'All of its files as one ZIP archive', params },
    };
    app.get(
      '/jobs/:id/archive',
      { schema: archiveDocs, config: { ...reads, sends: 'application/zip' } },
      async (request, reply) => {
        const job = await find(request);
        const files = (await store.jobs.files(job.id)).map(({ path, sizeBytes, blob }) => ({
          path: `${job.id}/${path}`,
          sizeBytes,
          open: async () => (await blobs.read(blob)).content,
        }));
        const content = context.writeArchive(files, job.endedAtMs ?? job.createdAtMs);
        return sendAttachment(reply, `${job.id}.zip`, 'application/zip', content);
      },
    );
  };

  async function sendFile(request: FastifyRequest, reply: FastifyReply, file: JobFile): Promise<FastifyReply> {
    const { sizeBytes } = file;
    const tag = `"${file.blob}"`;
    reply.header('etag', tag).header('accept-ranges', 'bytes');
    if (request.headers['if-none-match'] === tag) return reply.code(304).send();
    const isSame = [undefined, tag].includes(request.headers['if-range'] as string | undefined);
    const range = isSame ? requestedRange(request.headers.range, sizeBytes) : undefined;
    const { content } = await blobs.read(file.blob, range);
    if (range !== undefined) reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${sizeBytes}`);
    reply.header('content-length', range === undefined ? sizeBytes : range.end - range.start + 1);
    return sendAttachment(reply, file.path.split('/').at(-1) ?? 'file', 'application/octet-stream', content);
  }
}

function position(text: string | string[] | undefined): LogPosition {
  const match = positionPattern.exec(typeof text === 'string' ? text : '');
  return { attempt: Number(match?.[1] ?? 0), offset: Number(match?.[2] ?? 0) };
}
