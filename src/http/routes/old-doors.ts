import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { isAdmin } from '../../accounts/identity.ts';
import { foldName } from '../../accounts/names.ts';
import { TidepoolError } from '../../domain/errors.ts';
import { submitJob } from '../../jobs/submit.ts';
import { checkQuota } from '../../storage/quota.ts';
import { withUpload } from '../../storage/upload.ts';
import { either, reads, visibleOwner } from '../access.ts';
import type { HttpContext } from '../context.ts';
import { binary } from '../docs.ts';
import { newWork } from '../new-work.ts';
import { readOldForm } from '../old-form.ts';
import { pageOf, pageQuery } from '../page.ts';
import { statusPage, statusPagePolicy } from '../status-page.ts';
import { jobView } from '../views.ts';

const params = z.object({ user: z.string().max(256) });
const uploadForm = z.object({
  userName: z.string().optional().describe('Whose job it is; before the files where nobody is signed in'),
  file: binary.describe('The Python file to run'),
  dataset: binary.optional().describe('A ZIP file that is unpacked to ./data'),
});

/** The addresses of an earlier system, for its forms and bookmarks: upload, and a user's status page. */
export function oldDoorRoutes(context: HttpContext): FastifyPluginAsyncZod {
  const { accounts, storage, jobs } = context;

  /** Whose job it is to be. Errors: `unauthenticated`, `forbidden`, `not_found`. */
  async function ownerOf({ identity }: FastifyRequest, named: string | undefined): Promise<string> {
    if (identity === null && !context.legacyUpload)
      throw new TidepoolError('unauthenticated', 'sign in, or send a token: Authorization: Bearer TOKEN');
    if (identity !== null && (named === undefined || foldName(named) === identity.name)) return identity.name;
    if (identity !== null && !isAdmin(identity))
      throw new TidepoolError('forbidden', 'userName is not the name of who is signed in');
    if (named === undefined) throw new TidepoolError('invalid', 'the field userName must come before the files');
    const account = await accounts.store.get(foldName(named) ?? '');
    if (account?.state === 'active') return account.name;
    throw new TidepoolError('not_found', `there is no user ${JSON.stringify(named.slice(0, 100))}`);
  }

  return async (app) => {
    const uploadDocs = {
      ...{ tags: ['jobs'], operationId: 'upload', summary: 'Submit a job as from a form of the earlier system' },
      description: 'Leads to the status page of the user.',
      response: { 303: z.null() },
    };
    const config = { ...either('jobs'), ...newWork, form: uploadForm };
    app.post('/upload', { schema: uploadDocs, config }, async (request, reply) => {
      const owner = await withUpload(storage, async (blobs) => {
        const sent = await readOldForm(request, blobs, context.maxUploadBytes, async (named) => {
          const name = await ownerOf(request, named);
          await checkQuota(storage, name, []);
          return name;
        });
        return (await submitJob(jobs, context.rules, sent)).owner;
      });
      return reply.redirect(`/job-status/${owner}`, 303);
    });

    // A dashboard, which is at the root, has a page of its own there.
    if (app.hasRoute({ method: 'GET', url: '/' })) return;
    const schema = { hide: true, params, querystring: z.object(pageQuery(100, 100)) };
    app.get('/job-status/:user', { schema, config: reads }, async (request, reply) => {
      const user = foldName(request.params.user) ?? '';
      const visible = visibleOwner(request);
      if ((visible ?? user) !== user || (await accounts.store.get(user)) === undefined)
        throw new TidepoolError('not_found', `there is nothing at GET ${request.url}`);
      const { limit, cursor } = request.query;
      const before = cursor === undefined ? {} : { before: cursor };
      const rows = await jobs.store.jobs.list({ owner: user, limit: limit + 1, ...before });
      const { page, nextCursor } = pageOf(rows, limit, ({ id }) => id);
      const views = await Promise.all(page.map((job) => jobView(context, job)));
      return reply
        .header('content-type', 'text/html; charset=utf-8')
        .header('content-security-policy', statusPagePolicy)
        .header('x-content-type-options', 'nosniff')
        .header('referrer-policy', 'no-referrer')
        .send(statusPage(user, views, nextCursor));
    });
  };
}
