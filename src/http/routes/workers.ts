import { createReadStream } from 'node:fs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { TidepoolError, toTidepoolError } from '../../domain/errors.ts';
import type { Holding } from '../../domain/queue.ts';
import { joinedVmName } from '../../domain/worker.ts';
import type { JoinedWorker, JoinedWorkers } from '../../joined/workers.ts';
import { type WorkerView, workerListSchema, workerRuntimesSchema, workerSchema } from '../../protocol/api.ts';
import { workerInstanceHeader, workerNameHeader, workerProtocolHeader, workerUpgrade } from '../../protocol/worker.ts';
import { adminOnly, joins } from '../access.ts';
import { sendAttachment } from '../attachment.ts';
import type { HttpContext } from '../context.ts';
import { sendLongList } from '../long-list.ts';

const tags = ['workers'];
const nameParams = z.object({ name: z.string().max(64) });
const removal = z.object({ now: z.enum(['true', 'false']).default('false') });

/** Workers that join by hand (docs/workers.md): the way in for them, what they need, and what administrators see. */
export function workerRoutes({ workers, jobs }: HttpContext): FastifyPluginAsyncZod {
  const { store, runtimes, log } = jobs;
  return async (app) => {
    const listDocs = {
      ...{ tags, operationId: 'listWorkers', summary: 'Machines that joined by hand' },
      response: { 200: workerListSchema },
    };
    app.get('/workers', { schema: listDocs, config: adminOnly }, async (_request, reply) => {
      const held = await store.jobs.holdingsByWorker();
      const list = { name: 'workers', row: workerSchema, values: await workers.list() };
      const view = (worker: JoinedWorker): WorkerView => workerView(worker, held.get(worker.vm.name) ?? []);
      return sendLongList(reply, jobs.clock, { ...list, view });
    });

    const removeDocs = {
      ...{ tags, operationId: 'removeWorker', summary: 'Give a worker no more work, let it finish, then dismiss it' },
      description:
        'With `now` its jobs are started again elsewhere. A worker asks for this itself when it is to end, by the token with which it joined; other tokens may not.',
      params: nameParams,
      querystring: removal,
      response: { 204: z.null() },
    };
    app.delete('/workers/:name', { schema: removeDocs, config: joins }, async (request, reply) => {
      const by = request.identity?.signedInBy === 'token' ? request.identity.hash : undefined;
      await workers.remove(request.params.name, request.query.now === 'true', by);
      return reply.code(204).send(null);
    });

    const runtimesDocs = {
      ...{ tags, operationId: 'listWorkerRuntimes', summary: 'The runtimes that workers should have' },
      response: { 200: workerRuntimesSchema },
    };
    app.get('/workers/runtimes', { schema: runtimesDocs, config: joins }, async () => ({
      runtimes: (await runtimes.list()).map(({ name, id, sizeBytes }) => ({ name, id, sizeBytes })),
    }));

    const diskDocs = {
      ...{ tags, operationId: 'getWorkerRuntime', summary: 'A runtime, as a squashfs file' },
      params: z.object({ name: z.string().max(64), id: z.string().max(64) }),
    };
    const sends = { ...joins, sends: 'application/octet-stream' } as const;
    app.get('/workers/runtimes/:name/:id', { schema: diskDocs, config: sends }, async (request, reply) => {
      const { name, id } = request.params;
      const found = (await runtimes.list()).find((runtime) => runtime.name === name && runtime.id === id);
      if (found === undefined) throw new TidepoolError('not_found', `there is no runtime ${name} with the id ${id}`);
      return sendAttachment(reply, `${name}.squashfs`, 'application/octet-stream', createReadStream(found.path));
    });

    // One administrator's token may be that of thousands of workers.
    const links = { ...joins, hasOwnBound: true } as const;
    app.get('/workers/link', { schema: { hide: true }, config: links }, (request, reply) =>
      link(workers, request, reply, log),
    );
  };
}

/** The handshake of protocol/worker.ts. */
async function link(
  workers: Pick<JoinedWorkers, 'check' | 'join'>,
  request: FastifyRequest,
  reply: FastifyReply,
  log: (message: string) => void,
): Promise<void> {
  const { headers, raw } = request;
  if (headers.upgrade !== workerUpgrade)
    throw new TidepoolError('invalid', `this is for workers: Upgrade: ${workerUpgrade}`);
  const [worker, instance] = [String(headers[workerNameHeader]), String(headers[workerInstanceHeader])];
  await workers.check(worker, instance, headers[workerProtocolHeader]);
  const { socket } = raw;
  reply.hijack();
  reply.raw.detachSocket(socket);
  // A link may be quiet; whether the worker is there is found out by asking it.
  socket.setTimeout(0);
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${workerUpgrade}\r\n\r\n`);
  try {
    await workers.join(worker, instance, socket, request.identity?.hash);
  } catch (error) {
    log(`the worker ${worker} could not join: ${toTidepoolError(error).message}`);
    socket.destroy();
  }
}

function workerView({ vm, isConnected }: JoinedWorker, held: readonly Holding[]): WorkerView {
  return {
    name: vm.name.slice(joinedVmName('').length),
    vm: vm.name,
    state: vm.state,
    reason: vm.reason,
    connected: isConnected,
    joinedAtMs: vm.createdAtMs,
    capacity: vm.capacity,
    runtimes: [...vm.runtimes],
    jobs: held.map(({ jobId }) => jobId),
  };
}
