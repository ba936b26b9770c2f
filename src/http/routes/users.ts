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
import { pageOf, pageQuery } from '../page.ts';

const tags = ['users'];
const nameParams = z.object({ name: z.string().max(64) });

/** Users, for administrators: list, add, change, delete. */
export function userRoutes({ accounts }: HttpContext): FastifyPluginAsyncZod {
  return async (app) => {
    const listDocs = {
      ...{ tags, operationId: 'listUsers', summary: 'Users by name' },
      querystring: z.object(pageQuery(1_000, 100)),
      response: { 200: userListSchema },
    };
    app.get('/users', { schema: listDocs, config: adminOnly }, async (request) => {
      const { limit, cursor } = request.query;
      const rows = await accounts.store.list({ limit: limit + 1, ...(cursor === undefined ? {} : { after: cursor }) });
      const { page, nextCursor } = pageOf(rows, limit, ({ name }) => name);
      return { users: page.map(userView), nextCursor };
    });

    const addDocs = {
      ...{ tags, operationId: 'addUser', summary: 'Add a user' },
      description: 'Without a password one is made, and is in this answer only.',
      body: newUserSchema,
      response: { 201: newUserAnswerSchema },
    };
    app.post('/users', { schema: addDocs, config: adminOnly }, async (request, reply) => {
      const { name, password, role } = request.body;
      const { account, madePassword } = await addUser(accounts, { name, password, role });
      return reply.code(201).send({ ...userView(account), password: madePassword });
    });

    const one = { tags, params: nameParams, response: { 200: userSchema } };
    const showDocs = { ...one, operationId: 'getUser', summary: 'One user' };
    app.get('/users/:name', { schema: showDocs, config: adminOnly }, async (request) =>
      userView(await findUser(accounts, request.params.name)),
    );

    const changeDocs = {
      ...{ ...one, operationId: 'changeUser', summary: 'Change the role, disable or enable; holds at once' },
      body: userChangeSchema,
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
      ...{ tags, operationId: 'deleteUser', summary: 'Delete a user' },
      description: 'Sessions and tokens end; the name is never given again; jobs stay.',
      params: nameParams,
      response: { 204: z.null() },
    };
    app.delete('/users/:name', { schema: deleteDocs, config: adminOnly }, async (request, reply) => {
      await changeUser(accounts, request.params.name, { state: 'deleted' });
      return reply.code(204).send(null);
    });

    const resetDocs = {
      ...{ tags, operationId: 'setUserPassword', summary: "Set a user's password; their sessions end" },
      description: 'Without one it is made, and is in this answer only.',
      params: nameParams,
      body: passwordResetSchema,
      response: { 200: passwordResetAnswerSchema },
    };
    app.put('/users/:name/password', { schema: resetDocs, config: adminOnly }, async (request) => ({
      password: await resetPassword(accounts, request.params.name, request.body.password),
    }));
  };
}
