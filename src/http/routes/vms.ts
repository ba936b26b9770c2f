import websocket from '@fastify/websocket';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { TidepoolError, toTidepoolError } from '../../domain/errors.ts';
import type { Vm } from '../../domain/vm.ts';
import { joinedPool } from '../../domain/worker.ts';
import { vmListSchema, vmSchema } from '../../protocol/api.ts';
import { adminOnly, reads, visibleOwner } from '../access.ts';
import type { HttpContext } from '../context.ts';
import { sendLongList } from '../long-list.ts';
import { vmView } from '../views.ts';

const tags = ['vms'];
const nameParams = z.object({ name: z.string().max(64) });

/** VMs: list, drain, delete, console. */
export function vmRoutes(context: HttpContext): FastifyPluginAsyncZod {
  const { store } = context.jobs;
  const find = async (name: string): Promise<Vm> => {
    const vm = await store.vms.get(name);
    if (vm === undefined) throw new TidepoolError('not_found', `there is no VM ${name}`);
    return vm;
  };
  const view = async (name: string) => vmView(await find(name), (await store.jobs.holdingsByWorker()).get(name) ?? []);
  return async (app) => {
    const listDocs = {
      ...{ tags, operationId: 'listVms', summary: 'All VMs, with the jobs on them that are theirs' },
      response: { 200: vmListSchema },
    };
    app.get('/vms', { schema: listDocs, config: reads }, async (request, reply) => {
      const owner = visibleOwner(request);
      const held = await store.jobs.holdingsByWorker();
      const visible = (vm: Vm) => held.get(vm.name)?.filter((one) => owner === null || one.owner === owner) ?? [];
      const list = { name: 'vms', row: vmSchema, values: await store.vms.list() };
      return sendLongList(reply, context.jobs.clock, { ...list, view: (vm) => vmView(vm, visible(vm)) });
    });

    const drainDocs = {
      ...{ tags, operationId: 'drainVm', summary: 'Give a VM no more work, let it finish, then remove it' },
      description: 'Its pool replaces it if need be.',
      params: nameParams,
      response: { 200: vmSchema },
    };
    app.post('/vms/:name/drain', { schema: drainDocs, config: adminOnly }, async (request) => {
      const vm = await find(request.params.name);
      await controllerOf(context, vm).drainVm(vm.name);
      return view(vm.name);
    });

    const deleteDocs = {
      ...{ tags, operationId: 'deleteVm', summary: 'Remove a VM at once' },
      description: 'Jobs on it are started again elsewhere.',
      params: nameParams,
      response: { 200: vmSchema },
    };
    app.delete('/vms/:name', { schema: deleteDocs, config: adminOnly }, async (request) => {
      const vm = await find(request.params.name);
      await controllerOf(context, vm).deleteVm(vm.name);
      return view(vm.name);
    });

    await app.register(websocket, { options: { maxPayload: 64 * 1024 } });
    app.get(
      '/vms/:name/console',
      { websocket: true, schema: { params: nameParams, hide: true }, config: adminOnly },
      async (socket, request) => {
        // What is typed before the console is open waits.
        socket.pause();
        try {
          const vm = await find((request.params as { name: string }).name);
          const serial = await context.openConsole(vm.name);
          serial.on('data', (chunk) => socket.send(chunk));
          serial.on('error', (error) => socket.close(1011, error.message.slice(0, 100)));
          serial.on('close', () => socket.close());
          socket.on('message', (data) => serial.write(data as Buffer));
          socket.on('close', () => serial.destroy());
          // Who asked may have gone while it was being opened.
          if (socket.readyState !== socket.OPEN) serial.destroy();
          socket.resume();
        } catch (error) {
          socket.resume();
          socket.close(1011, toTidepoolError(error).message.slice(0, 100));
        }
      },
    );
  };
}

function controllerOf(context: HttpContext, vm: Vm) {
  const pool = context.pools.find((candidate) => candidate.name === vm.pool);
  if (pool !== undefined) return pool.controller;
  if (vm.pool === joinedPool)
    throw new TidepoolError('conflict', `${vm.name} joined by hand; see: tidepool worker remove`);
  throw new TidepoolError('conflict', `VM ${vm.name} is of the pool ${vm.pool}, which is not configured any more`);
}
