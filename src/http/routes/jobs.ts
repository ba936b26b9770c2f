import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Job } from '../../domain/job.ts';
import { cancelJob, cancelJobs } from '../../jobs/cancel.ts';
import { rerunJob } from '../../jobs/rerun.ts';
import { jobOfEarlier, submitJob } from '../../jobs/submit.ts';
import {
  attemptListSchema,
  cancelledSchema,
  cancelSchema,
  jobListSchema,
  jobSchema,
  jobStateSchema,
  submissionSchema,
} from '../../protocol/api.ts';
import { measuredOnly } from '../../storage/measured.ts';
import { checkQuota } from '../../storage/quota.ts';
import { deleteJob } from '../../storage/retention.ts';
import { withUpload } from '../../storage/upload.ts';
import { needs, reads, viewer, visibleOwner } from '../access.ts';
import type { HttpContext } from '../context.ts';
import { binary, onceHeaders } from '../docs.ts';
import { findJob } from '../log-stream.ts';
import { newWork } from '../new-work.ts';
import { forgotten, isRepeated, onceKey } from '../once.ts';
import { pageOf, pageQuery } from '../page.ts';
import { readSubmission } from '../submission.ts';
import { jobView } from '../views.ts';

const params = z.object({ id: z.string().max(64) });
const tags = ['jobs'];
const writes = needs('jobs');
/** Of what makes a job. */
const makes = { ...writes, ...newWork, headers: onceHeaders };

/** What a submission is made of, for the documents. */
const submissionForm = z.object({
  spec: submissionSchema.optional(),
  script: binary.optional().describe('The Python file to run'),
  project: binary.optional().describe('Instead of a script: a ZIP file that is unpacked to the working folder'),
  data: binary.optional().describe('A ZIP file that is unpacked to ./data'),
  requirements: binary.optional().describe('A requirements.txt: what is installed before it runs'),
});

/** Submit, list, show, cancel, run again and delete jobs. */
export function jobRoutes(context: HttpContext): FastifyPluginAsyncZod {
  const { store } = context.jobs;
  const find = (request: FastifyRequest & { params: { id: string } }): Promise<Job> =>
    findJob(context, request.params.id, visibleOwner(request));
  return async (app) => {
    const submitDocs = {
      ...{ tags, operationId: 'submitJob', summary: 'Submit a job' },
      description: 'Files are stored as they come. The job is queued when the answer is there.',
      response: { 201: jobSchema },
    };
    app.post('/jobs', { schema: submitDocs, config: { ...makes, form: submissionForm } }, async (request, reply) => {
      const owner = viewer(request).name;
      if (await isRepeated(request, owner, context.storage)) {
        const { hash } = await readSubmission(request, measuredOnly, context.maxUploadBytes);
        const once = onceKey(request, owner, hash);
        const earlier = once && (await jobOfEarlier(context.jobs, once));
        if (earlier === undefined) throw forgotten();
        return reply.code(201).send(await jobView(context, earlier));
      }
      await checkQuota(context.storage, owner, []);
      const job = await withUpload(context.storage, async (blobs) => {
        const { submission, hash } = await readSubmission(request, blobs, context.maxUploadBytes);
        return submitJob(context.jobs, context.rules, { ...submission, owner }, onceKey(request, owner, hash));
      });
      return reply.code(201).send(await jobView(context, job));
    });

    const listDocs = {
      ...{ tags, operationId: 'listJobs', summary: 'Their own jobs, newest first' },
      description: 'For administrators those of all users, or of `owner`.',
      querystring: z.object({
        state: jobStateSchema.optional(),
        owner: z.string().max(64).optional(),
        ...pageQuery(200, 50),
      }),
      response: { 200: jobListSchema },
    };
    app.get('/jobs', { schema: listDocs, config: reads }, async (request) => {
      const { state, limit, cursor } = request.query;
      const owner = request.query.owner?.toLowerCase();
      const visible = visibleOwner(request);
      // Another's name gives what it would give if there were no such user.
      if (visible !== null && owner !== undefined && owner !== visible) return { jobs: [], nextCursor: null };
      const wanted = visible ?? owner;
      const rows = await store.jobs.list({
        limit: limit + 1,
        ...(wanted === undefined ? {} : { owner: wanted }),
        ...(state === undefined ? {} : { states: [state] }),
        ...(cursor === undefined ? {} : { before: cursor }),
      });
      const { page, nextCursor } = pageOf(rows, limit, ({ id }) => id);
      return { jobs: await Promise.all(page.map((job) => jobView(context, job))), nextCursor };
    });

    const one = { tags, params, response: { 200: jobSchema } };
    const showDocs = { ...one, operationId: 'getJob', summary: 'One job: why it waits, or how it ended' };
    app.get('/jobs/:id', { schema: showDocs, config: reads }, async (request) => jobView(context, await find(request)));

    const attemptDocs = {
      ...{ tags, operationId: 'listJobAttempts', summary: 'The tries of a job, the first one first', params },
      response: { 200: attemptListSchema },
    };
    app.get('/jobs/:id/attempts', { schema: attemptDocs, config: reads }, async (request) => {
      const attempts = await store.jobs.attempts((await find(request)).id);
      return { attempts: attempts.map(({ vmName: vm, ...rest }) => ({ vm, ...rest })) };
    });

    const cancelManyDocs = {
      ...{ tags, operationId: 'cancelJobs', summary: 'Cancel many jobs at once' },
      description: 'Their own, for administrators those of all users, that fit all that is given.',
      body: cancelSchema,
      response: { 200: cancelledSchema },
    };
    app.post('/jobs/cancel', { schema: cancelManyDocs, config: writes }, async (request) => {
      const owner = visibleOwner(request);
      return cancelJobs(context.jobs, { ...request.body, owner: owner ?? undefined });
    });

    const cancelDocs = { ...one, operationId: 'cancelJob', summary: 'Cancel a job, whatever it is doing' };
    app.post('/jobs/:id/cancel', { schema: cancelDocs, config: writes }, async (request) => {
      const { id } = await find(request);
      await cancelJob(context.jobs, id);
      return jobView(context, await findJob(context, id, null));
    });

    const rerunDocs = {
      ...{ tags, operationId: 'rerunJob', summary: 'Submit the same again, as a new job of the same owner', params },
      response: { 201: jobSchema },
    };
    app.post('/jobs/:id/rerun', { schema: rerunDocs, config: makes }, async (request, reply) => {
      const once = onceKey(request, viewer(request).name, request.params.id);
      const earlier = once && (await jobOfEarlier(context.jobs, once));
      // The job that was run again may be gone since, and what it began with.
      if (earlier !== undefined) return reply.code(201).send(await jobView(context, earlier));
      const job = await find(request);
      const rerun = await withUpload(context.storage, (blobs) =>
        rerunJob(context.jobs, context.rules, job, blobs, once),
      );
      return reply.code(201).send(await jobView(context, rerun));
    });

    const deleteDocs = {
      ...{ tags, operationId: 'deleteJob', summary: 'Delete an ended job with its output and files', params },
      response: { 204: z.null() },
    };
    app.delete('/jobs/:id', { schema: deleteDocs, config: writes }, async (request, reply) => {
      await deleteJob(context.storage, await find(request));
      return reply.code(204).send(null);
    });
  };
}
