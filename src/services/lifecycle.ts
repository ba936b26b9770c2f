import { TidepoolError } from '../domain/errors.ts';
import type { Service } from '../domain/service.ts';
import { emit, type ServiceContext } from './context.ts';

/**
 * Shuts the service's VMs down; nothing of it is lost. One that is stopped already stays so. Errors: `not_found` when it was
 * deleted meanwhile.
 */
export async function stopService(context: ServiceContext, { name }: Pick<Service, 'name'>): Promise<void> {
  await inTurn(context, name, async (service) => {
    if (service.isRunning) await shutDown(context, service, {});
  });
}

/** Runs a stopped service again. One that runs stays so. Errors: `conflict` when it is being deleted, `not_found`. */
export async function startService(context: ServiceContext, { name }: Pick<Service, 'name'>): Promise<void> {
  await inTurn(context, name, async (service) => {
    if (service.isLeaving) throw new TidepoolError('conflict', `service ${name} is being deleted`);
    if (service.isRunning) return;
    await context.store.services.change(name, { isRunning: true });
    await emit(context, 'service.started', name, 'started');
  });
}

/**
 * Stops the service; when its VMs are gone it is deleted with its revisions, keys and values. One that is being deleted is
 * left to that. Errors: `not_found`.
 */
export async function deleteService(context: ServiceContext, { name }: Pick<Service, 'name'>): Promise<void> {
  await inTurn(context, name, async (service) => {
    if (!service.isRunning) await context.store.services.change(name, { isLeaving: true });
    else await shutDown(context, service, { isLeaving: true });
    context.changes.notify('services');
  });
}

/** In one write, so that no service is left that runs and is being deleted. */
async function shutDown(context: ServiceContext, service: Service, fields: { isLeaving?: true }): Promise<void> {
  // What was changed while it ran goes with its pool.
  const settings = context.pools.settings(service.name) ?? service.settings;
  await context.store.services.change(service.name, { ...fields, isRunning: false, settings });
  await emit(context, 'service.stopped', service.name, 'stopped; its VMs are shut down');
}

/**
 * One change of a service after the other, deployments too, each on the service as it is then: what was read before its turn
 * may have been changed by the turns before.
 */
async function inTurn(
  context: ServiceContext,
  name: string,
  change: (service: Service) => Promise<void>,
): Promise<void> {
  await context.deployments.run(async () => {
    const service = await context.store.services.get(name);
    if (service === undefined) throw new TidepoolError('not_found', `there is no service ${name}`);
    await change(service);
  });
}
