import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { addUser, changeUser, findUser, resetPassword } from '../../accounts/users.ts';
import type { AccountChange } from '../../domain/account.ts';
import {
  newUserAnswerSchema,
  newUserSchema,
  passwordResetAnswerSchema,
  passwordResetSchema,
  userChangeSchema,
  userListSchema,
  userSchema,
} from '../../protocol/account.ts';
import { adminOnly } from '../access.ts';
import { userView } from '../account-views.ts';
import type { HttpContext } from '../context.ts';

const nameParams = z.object({ name: z.string().max(64) });

/** Users, for administrators: list, add, change, delete. */
export function userRoutes({ accounts }: HttpContext): FastifyPluginAsyncZod {
  return async (app) => {
    const querystring = z.object({
      limit: z.coerce.number().int().min(1).max(1_000).default(100),
      cursor: z.string().max(64).optional(),
    });
    const listDocs = { summary: 'Users by name', querystring, response: { 200: userListSchema } };
    app.get('/users', { schema: listDocs, config: adminOnly }, async (request) => {
      const { limit, cursor } = request.query;
      const users = await accounts.store.list({ limit, ...(cursor === undefined ? {} : { after: cursor }) });
      const nextCursor = users.length === limit ? (users.at(-1)?.name ?? null) : null;
      return { users: users.map(userView), nextCursor };
    });

    const addDocs = {
      summary: 'Add a user; without a password one is made, and is in this answer only',
      body: newUserSchema,
      response: { 201: newUserAnswerSchema },
    };
    app.post('/users', { schema: addDocs, config: adminOnly }, async (request, reply) => {
      const { name, password, role } = request.body;
      const { account, madePassword } = await addUser(accounts, { name, password, role });
      return reply.code(201).send({ ...userView(account), password: madePassword });
    });

    const showDocs = { summary: 'One user', params: nameParams, response: { 200: userSchema } };
    app.get('/users/:name', { schema: showDocs, config: adminOnly }, async (request) =>
      userView(await findUser(accounts, request.params.name)),
    );

    const changeDocs = {
      summary: 'Change the role, disable or enable; holds at once',
      params: nameParams,
      body: userChangeSchema,
      response: { 200: userSchema },
    };
    app.patch('/users/:name', { schema: changeDocs, config: adminOnly }, async (request) => {
      const { role, disabled } = request.body;
      const change: AccountChange = {
        ...(role === undefined ? {} : { role }),
        ...(disabled === undefined ? {} : { state: disabled ? 'disabled' : 'active' }),
      };
      return userView(await changeUser(accounts, request.params.name, change));
    });

    const deleteDocs = {
      summary: 'Delete a user: sessions and tokens end; the name is never given again; jobs stay',
      params: nameParams,
      response: { 204: z.null() },
    };
    app.delete('/users/:name', { schema: deleteDocs, config: adminOnly }, async (request, reply) => {
      await changeUser(accounts, request.params.name, { state: 'deleted' });
      return reply.code(204).send(null);
    });

    const resetDocs = {
      summary: "Set a user's password; their sessions end. Without one it is made, and is in this answer only",
      params: nameParams,
      body: passwordResetSchema,
      response: { 200: passwordResetAnswerSchema },
    };
    app.put('/users/:name/password', { schema: resetDocs, config: adminOnly }, async (request) => ({
      password: await resetPassword(accounts, request.params.name, request.body.password),
    }));
  };
}
