import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { deleteToken, listTokens, makeToken } from '../../accounts/tokens.ts';
import { newTokenAnswerSchema, newTokenSchema, tokenListSchema } from '../../protocol/account.ts';
import { needs, viewer } from '../access.ts';
import { tokenView } from '../account-views.ts';
import type { HttpContext } from '../context.ts';

/** API tokens of who asks; administrators see everybody's and may delete them. */
export function tokenRoutes({ accounts }: HttpContext): FastifyPluginAsyncZod {
  const config = needs('account');
  return async (app) => {
    const querystring = z.object({ owner: z.string().max(64).optional() });
    const listDocs = {
      summary: 'Their own tokens, newest first; for administrators those of all users, or of `owner`',
      querystring,
      response: { 200: tokenListSchema },
    };
    app.get('/tokens', { schema: listDocs, config }, async (request) => {
      const tokens = await listTokens(accounts, viewer(request), request.query.owner);
      return { tokens: tokens.map(tokenView) };
    });

    const makeDocs = {
      summary: 'Make a token; it is in this answer only',
      body: newTokenSchema,
      response: { 201: newTokenAnswerSchema },
    };
    app.post('/tokens', { schema: makeDocs, config }, async (request, reply) => {
      const { token, secret } = await makeToken(accounts, viewer(request), request.body);
      return reply.code(201).send({ ...tokenView(token), token: secret });
    });

    const params = z.object({ id: z.string().max(64) });
    const deleteDocs = { summary: 'Delete a token', params, response: { 204: z.null() } };
    app.delete('/tokens/:id', { schema: deleteDocs, config }, async (request, reply) => {
      await deleteToken(accounts, viewer(request), request.params.id);
      return reply.code(204).send(null);
    });
  };
}
