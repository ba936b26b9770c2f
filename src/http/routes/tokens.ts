import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { deleteToken, listTokens, makeToken } from '../../accounts/tokens.ts';
import { newTokenAnswerSchema, newTokenSchema, tokenListSchema } from '../../protocol/account.ts';
import { needs, viewer } from '../access.ts';
import { tokenView } from '../account-views.ts';
import type { HttpContext } from '../context.ts';
import { pageOf, pageQuery } from '../page.ts';

const tags = ['tokens'];

/** API tokens of who asks; administrators see everybody's and may delete them. */
export function tokenRoutes({ accounts }: HttpContext): FastifyPluginAsyncZod {
  const config = needs('account');
  return async (app) => {
    const listDocs = {
      ...{ tags, operationId: 'listTokens', summary: 'Their own tokens, newest first' },
      description: 'For administrators those of all users, or of `owner`.',
      querystring: z.object({ owner: z.string().max(64).optional(), ...pageQuery(1_000, 100) }),
      response: { 200: tokenListSchema },
    };
    app.get('/tokens', { schema: listDocs, config }, async (request) => {
      const { owner, limit, cursor: before } = request.query;
      const rows = await listTokens(accounts, viewer(request), owner, { limit: limit + 1, before });
      const { page, nextCursor } = pageOf(rows, limit, ({ id }) => id);
      return { tokens: page.map(tokenView), nextCursor };
    });

    const makeDocs = {
      ...{ tags, operationId: 'makeToken', summary: 'Make a token; it is in this answer only' },
      body: newTokenSchema,
      response: { 201: newTokenAnswerSchema },
    };
    app.post('/tokens', { schema: makeDocs, config }, async (request, reply) => {
      const { token, secret } = await makeToken(accounts, viewer(request), request.body);
      return reply.code(201).send({ ...tokenView(token), token: secret });
    });

    const params = z.object({ id: z.string().max(64) });
    const docs = { tags, operationId: 'deleteToken', summary: 'Delete a token', params, response: { 204: z.null() } };
    app.delete('/tokens/:id', { schema: docs, config }, async (request, reply) => {
      await deleteToken(accounts, viewer(request), request.params.id);
      return reply.code(204).send(null);
    });
  };
}
