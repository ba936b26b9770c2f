import { agentAddress } from '../domain/agent-link.ts';
import { toTidepoolError } from '../domain/errors.ts';
import type { Vm } from '../domain/vm.ts';
import { vmStatesThatCan } from '../domain/vm.ts';
import { factsOf } from '../domain/vm-facts.ts';
import type { AgentHealth } from '../protocol/agent.ts';
import { withDeadline } from '../reconcile/deadline.ts';
import { emit, type PoolContext } from './context.ts';
import { failVm } from './fail.ts';

/** A resumed VM answers within milliseconds; one that does not within this is broken. */
const resumeLimitMs = 10_000;

/** A booted VM whose agent answered enters service, or the warm pool. */
export async function enterService(context: PoolContext, vm: Vm, health: AgentHealth): Promise<void> {
  const nowMs = context.clock.now();
  const facts = factsOf(health);
  const move = { state: 'ready' as const, reason: '', nowMs, facts };
  if (!(await context.store.vms.move(vm.name, ['booting', 'warm'], move))) return;
  // For people: a clock that was set meanwhile shows.
  const tookMs = Math.max(0, nowMs - vm.createdAtMs);
  if (vm.state === 'warm') await emit(context, 'vm.launched', vm.name, 'ready');
  else await emit(context, 'vm.launched', vm.name, `ready after ${tookMs} ms`, { tookMs });
  context.changes.notify('vms');
  context.changes.notify('queue');
}

/** A VM without work is paused and kept. The state comes first: from then on nothing is sent to it. */
export async function park(context: PoolContext, vm: Vm, health?: AgentHealth): Promise<void> {
  const facts = health === undefined ? {} : factsOf(health);
  const move = { state: 'warm' as const, reason: '', nowMs: context.clock.now(), facts };
  if (!(await context.store.vms.moveIfIdle(vm.name, ['booting', ...vmStatesThatCan('park')], move))) return;
  try {
    await context.hypervisor.suspend(vm.name);
  } catch (error) {
    return failVm(context, vm.name, `it could not be paused: ${toTidepoolError(error).message}`);
  }
  await emit(context, 'vm.warm', vm.name, 'booted and paused');
  context.changes.notify('vms');
}

/** A warm VM enters service when its agent answers and its clock is right. */
export async function resume(context: PoolContext, vm: Vm, signal: AbortSignal): Promise<void> {
  const { clock, hypervisor, link } = context;
  const agent = agentAddress(vm);
  if (agent === undefined) return failVm(context, vm.name, 'its address is not known');
  try {
    await hypervisor.resume(vm.name);
    const health = await withDeadline(clock, resumeLimitMs, signal, (limited) => link.setClock(agent, clock, limited));
    await context.workload.prepare({ ...vm, runtimes: health.runtimes }, signal);
    await enterService(context, vm, health);
  } catch (error) {
    if (signal.aborted) return;
    await failVm(context, vm.name, `it could not be resumed: ${toTidepoolError(error).message}`);
  }
}

/** Stops new work; what runs is finished. */
export async function drain(context: PoolContext, name: string, why: string): Promise<void> {
  const move = { state: 'draining' as const, reason: why, nowMs: context.clock.now() };
  if (!(await context.store.vms.move(name, vmStatesThatCan('drain'), move))) return;
  await emit(context, 'vm.draining', name, `draining: ${why}`);
  context.changes.notify('vms');
}

/** A drain is cancelled: the VM takes work again. */
export async function undrain(context: PoolContext, name: string, why: string): Promise<void> {
  const move = { state: 'ready' as const, reason: '', nowMs: context.clock.now() };
  if (!(await context.store.vms.move(name, vmStatesThatCan('cancel_drain'), move))) return;
  await emit(context, 'vm.undrained', name, `takes work again: ${why}`);
  context.changes.notify('vms');
  context.changes.notify('queue');
}

/** A VM without work is to be removed; the reaping is the pool's next step. */
export async function stop(context: PoolContext, name: string, why: string): Promise<void> {
  const move = { state: 'stopping' as const, reason: why, nowMs: context.clock.now() };
  await context.store.vms.moveIfIdle(name, vmStatesThatCan('stop'), move);
  context.changes.notify('vms');
}
