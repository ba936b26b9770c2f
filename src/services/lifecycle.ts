import { TidepoolError } from '../domain/errors.ts';
import type { Service } from '../domain/service.ts';
import { emit, type ServiceContext } from './context.ts';

/** Shuts the service's VMs down; nothing of it is lost. One that is stopped already stays so. */
export async function stopService(context: ServiceContext, service: Service): Promise<void> {
  if (!service.isRunning) return;
  // What was changed while it ran goes with its pool.
  const settings = context.pools.settings(service.name) ?? service.settings;
  await context.store.services.change(service.name, { isRunning: false, settings });
  await emit(context, 'service.stopped', service.name, 'stopped; its VMs are shut down');
}

/** Runs a stopped service again. One that runs stays so. Errors: `conflict` when it is being deleted. */
export async function startService(context: ServiceContext, service: Service): Promise<void> {
  if (service.isLeaving) throw new TidepoolError('conflict', `service ${service.name} is being deleted`);
  if (service.isRunning) return;
  await context.store.services.change(service.name, { isRunning: true });
  await emit(context, 'service.started', service.name, 'started');
}

/** Stops the service; when its VMs are gone it is deleted with its revisions, keys and values. */
export async function deleteService(context: ServiceContext, service: Service): Promise<void> {
  if (service.isLeaving) return;
  await stopService(context, service);
  await context.store.services.change(service.name, { isLeaving: true });
  context.changes.notify('services');
}
