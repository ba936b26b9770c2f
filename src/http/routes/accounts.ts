import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { identify } from '../../accounts/identity.ts';
import { changePassword, endSession, signIn, signOut } from '../../accounts/sessions.ts';
import { signUp } from '../../accounts/users.ts';
import {
  passwordChangeSchema,
  signInSchema,
  signUpStateSchema,
  userSchema,
  whoSchema,
} from '../../protocol/account.ts';
import { needs, open, reads, viewer } from '../access.ts';
import { userView, whoView } from '../account-views.ts';
import type { HttpContext } from '../context.ts';
import { clearSessionCookie, sessionCookie, setSessionCookie } from '../cookie.ts';

const tags = ['account'];
const empty = z.null();

/** Signing in, out and up, and their own password. */
export function accountRoutes({ accounts }: HttpContext): FastifyPluginAsyncZod {
  const { sessionMaxMs } = accounts.settings;
  const giveCookie = (request: FastifyRequest, reply: FastifyReply, secret: string): void =>
    setSessionCookie(request, reply, secret, sessionMaxMs);
  return async (app) => {
    const signInDocs = {
      ...{ tags, operationId: 'signIn', summary: 'Sign in by name and password' },
      description: 'The answer sets the cookie of the session.',
      body: signInSchema,
      response: { 200: userSchema },
    };
    app.post('/session', { schema: signInDocs, config: open }, async (request, reply) => {
      const { secret, account } = await signIn(accounts, { ...request.body, address: request.ip });
      // The session that this browser had ends: a secret is never taken over from before a sign-in.
      const former = await identify(accounts, sessionCookie(request) ?? '', false);
      if (former?.signedInBy === 'session') await endSession(accounts, former);
      giveCookie(request, reply, secret);
      return userView(account);
    });

    const signOutDocs = {
      tags,
      operationId: 'signOut',
      summary: 'Sign out: ends the session',
      response: { 204: empty },
    };
    app.delete('/session', { schema: signOutDocs, config: needs('account') }, async (request, reply) => {
      await signOut(accounts, viewer(request));
      clearSessionCookie(request, reply);
      return reply.code(204).send(null);
    });

    const whoDocs = {
      tags,
      operationId: 'whoAmI',
      summary: 'Who is asking, and by what',
      response: { 200: whoSchema },
    };
    app.get('/account', { schema: whoDocs, config: reads }, async (request) => whoView(viewer(request)));

    const passwordDocs = {
      ...{ tags, operationId: 'changePassword', summary: 'Change the password' },
      description: 'All other sessions end, API tokens stay.',
      body: passwordChangeSchema,
      response: { 204: empty },
    };
    app.put('/account/password', { schema: passwordDocs, config: needs('account') }, async (request, reply) => {
      const passwords = { ...request.body, address: request.ip };
      const secret = await changePassword(accounts, viewer(request), passwords);
      if (secret !== undefined) giveCookie(request, reply, secret);
      return reply.code(204).send(null);
    });

    const openDocs = {
      ...{ tags, operationId: 'getSignUp', summary: 'Whether anybody may make an account' },
      response: { 200: signUpStateSchema },
    };
    app.get('/signup', { schema: openDocs, config: open }, async () => ({ open: accounts.settings.signUp }));

    const signUpDocs = {
      ...{ tags, operationId: 'signUp', summary: 'Make an account, where that is open to anybody' },
      body: signInSchema,
      response: { 201: userSchema },
    };
    app.post('/signup', { schema: signUpDocs, config: open }, async (request, reply) => {
      const account = await signUp(accounts, { ...request.body, address: request.ip });
      return reply.code(201).send(userView(account));
    });
  };
}
