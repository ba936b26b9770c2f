import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { open } from 'node:fs/promises';
import { test } from 'node:test';
import { fastify } from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { TidepoolError } from '../domain/errors.ts';
import { sendError } from './errors.ts';

/** Returns what is answered, and logged, when a route throws this. */
async function answerTo(thrown: unknown): Promise<{ status: number; code: string; detail: string; log: string }> {
  const lines: string[] = [];
  const app = fastify();
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply, (line) => lines.push(line)));
  app.get('/jobs/:id', async () => {
    throw thrown;
  });
  const { statusCode, body } = await app.inject('/jobs/7');
  await app.close();
  const { code, detail } = JSON.parse(body);
  return { status: statusCode, code, detail, log: lines.join('\n') };
}

const failure = (code: string, syscall: string): Error =>
  Object.assign(new Error(`${code}: reason, ${syscall}`), { code, syscall });

test('an error of a disk or of the limits of our machine is no mistake in the server', async () => {
  const gone = await open(`/data/${randomUUID()}.part`).catch((error: unknown) => error);
  const moved = await answerTo(gone);
  assert.deepEqual([moved.status, moved.code], [503, 'unavailable']);
  assert.match(
    moved.log,
    /^GET \/jobs\/:id: open of \/data\/\.\.\.\.part failed: no such file or directory \(ENOENT\)$/,
  );
  assert.doesNotMatch(moved.detail, /\/data/, 'who asks does not learn our paths');
  assert.match(moved.detail, /machine is in trouble \(ENOENT\)/);
  for (const [code, status] of [
    ['EMFILE', 503],
    ['EIO', 503],
    ['EROFS', 503],
    ['ENOSPC', 507],
    ['EDQUOT', 507],
  ] as const)
    assert.equal((await answerTo(failure(code, 'mkdir'))).status, status, code);
});

test('a mistake stays one, and its stack is in the log only', async () => {
  const { status, detail, log } = await answerTo(new TypeError('undefined is not a function'));
  assert.equal(status, 500);
  assert.match(detail, /a mistake in the server/);
  assert.match(log, /undefined is not a function\n +at /);
  const ours = await answerTo(new TidepoolError('conflict', 'no'));
  assert.deepEqual([ours.status, ours.detail, ours.log], [409, 'no', '']);
});

test('a request that does not fit its schema is refused in plain words', async () => {
  const app = fastify();
  app.setValidatorCompiler(validatorCompiler);
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply, () => undefined));
  const body = z.strictObject({ desired: z.int().min(0), name: z.string().min(1).optional() });
  app.post('/scale', { schema: { body } }, async () => 'ok');
  const detailOf = async (payload: object): Promise<string> => {
    const answer = await app.inject({ method: 'POST', url: '/scale', payload });
    assert.equal(answer.statusCode, 400);
    return JSON.parse(answer.body).detail;
  };
  assert.equal(await detailOf({ desired: -1 }), 'desired: must be at least 0');
  assert.match(await detailOf({ desired: '3' }), /^desired: must be a (whole )?number$/);
  assert.match(await detailOf({}), /^desired: is missing; it must be a (whole )?number$/);
  assert.equal(await detailOf({ desired: 1, name: '' }), 'name: must have at least 1 characters');
  assert.equal(
    await detailOf({ desired: 1, many: 2 }),
    'request: there is nothing named "many" here; check the spelling',
  );
  await app.close();
});
