import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { cancelJob, cancelJobs } from '../../jobs/cancel.ts';
import { submitJob } from '../../jobs/submit.ts';
import { cancelledSchema, cancelSchema, jobListSchema, jobSchema, jobStateSchema } from '../../protocol/api.ts';
import { needs, reads, viewer, visibleOwner } from '../access.ts';
import type { HttpContext } from '../context.ts';
import { findJob } from '../log-stream.ts';
import { readSubmission } from '../submission.ts';
import { jobView } from '../views.ts';

const idParams = z.object({ id: z.string().max(64) });

/** Submit, list, show and cancel jobs. */
export function jobRoutes(context: HttpContext): FastifyPluginAsyncZod {
  const { store } = context.jobs;
  return async (app) => {
    const submitDocs = {
      summary: 'Submit a job: multipart/form-data with `spec` (JSON), `script` (file) and perhaps `data` (a ZIP file)',
      consumes: ['multipart/form-data'],
      response: { 201: jobSchema },
    };
    app.post('/jobs', { schema: submitDocs, config: needs('jobs') }, async (request, reply) => {
      const submission = await readSubmission(request, context);
      const job = await submitJob(context.jobs, context.rules, { ...submission, owner: viewer(request).name });
      return reply.code(201).send(await jobView(context, job));
    });

    const querystring = z.object({
      state: jobStateSchema.optional(),
      limit: z.coerce.number().int().min(1).max(200).default(50),
      cursor: z.string().max(64).optional(),
      owner: z.string().max(64).optional(),
    });
    const listDocs = {
      summary: 'Their own jobs, newest first; for administrators those of all users, or of `owner`',
      querystring,
      response: { 200: jobListSchema },
    };
    app.get('/jobs', { schema: listDocs, config: reads }, async (request) => {
      const { state, limit, cursor } = request.query;
      const owner = request.query.owner?.toLowerCase();
      const visible = visibleOwner(request);
      // Another's name gives what it would give if there were no such user.
      if (visible !== null && owner !== undefined && owner !== visible) return { jobs: [], nextCursor: null };
      const wanted = visible ?? owner;
      const jobs = await store.jobs.list({
        limit,
        ...(wanted === undefined ? {} : { owner: wanted }),
        ...(state === undefined ? {} : { states: [state] }),
        ...(cursor === undefined ? {} : { before: cursor }),
      });
      const nextCursor = jobs.length === limit ? (jobs.at(-1)?.id ?? null) : null;
      return { jobs: await Promise.all(jobs.map((job) => jobView(context, job))), nextCursor };
    });

    const showDocs = { summary: 'One job', params: idParams, response: { 200: jobSchema } };
    app.get('/jobs/:id', { schema: showDocs, config: reads }, async (request) =>
      jobView(context, await findJob(context, request.params.id, visibleOwner(request))),
    );

    const cancelDocs = {
      summary: 'Cancel a job, whatever it is doing',
      params: idParams,
      response: { 200: jobSchema },
    };
    const cancelManyDocs = {
      summary: 'Cancel many jobs at once: their own, for administrators those of all users, that fit all that is given',
      body: cancelSchema,
      response: { 200: cancelledSchema },
    };
    app.post('/jobs/cancel', { schema: cancelManyDocs, config: needs('jobs') }, async (request) => {
      const owner = visibleOwner(request);
      return cancelJobs(context.jobs, { ...request.body, owner: owner ?? undefined });
    });

    app.post('/jobs/:id/cancel', { schema: cancelDocs, config: needs('jobs') }, async (request) => {
      const { id } = request.params;
      await findJob(context, id, visibleOwner(request));
      await cancelJob(context.jobs, id);
      return jobView(context, await findJob(context, id, null));
    });
  };
}
