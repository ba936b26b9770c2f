import type { AgentAddress } from '../domain/agent-link.ts';
import { toTidepoolError } from '../domain/errors.ts';
import { type Vm, vmStates } from '../domain/vm.ts';
import type { PoolContext } from './context.ts';
import { firstHealth } from './ready.ts';

/** Between two heartbeats of a ready VM. */
const heartbeatEveryMs = 1_000;
/** A VM whose agent has not answered for so long is given up. */
const heartbeatLossMs = 10_000;

/**
 * Follows one VM from `booting` on: makes it `ready` at its agent's first answer, then asks every second. Ends when it
 * gave the VM up (`failed`) or the signal fires.
 */
export async function watchVm(context: PoolContext, vm: Vm, signal: AbortSignal): Promise<void> {
  if (vm.host === null || vm.port === null) return;
  const agent: AgentAddress = { host: vm.host, port: vm.port, keyId: vm.keyId, key: vm.key };
  if (vm.state === 'booting' && !(await becomeReady(context, vm, agent, signal))) return;
  await heartbeats(context, vm, agent, signal);
}

async function becomeReady(context: PoolContext, vm: Vm, agent: AgentAddress, signal: AbortSignal): Promise<boolean> {
  const { clock, store, changes } = context;
  const limitMs = vmStates.booting.maxMs ?? 120_000;
  const timeUp = new AbortController();
  const cancel = clock.after(Math.max(0, vm.stateSinceMs + limitMs - clock.now()), () => timeUp.abort());
  try {
    const health = await firstHealth(context.link, agent, clock, AbortSignal.any([signal, timeUp.signal]));
    const facts = { capacity: health.capacity, runtimes: health.runtimes };
    await store.vms.move(vm.name, ['booting'], { state: 'ready', reason: '', nowMs: clock.now(), facts });
    context.log(`vm ${vm.name}: ready after ${clock.now() - vm.createdAtMs} ms`);
    changes.notify('vms');
    changes.notify('queue');
    return true;
  } catch {
    if (!signal.aborted)
      await failVm(context, vm.name, `its agent did not answer within ${limitMs / 1000} s of the boot`);
    return false;
  } finally {
    cancel();
  }
}

async function heartbeats(context: PoolContext, vm: Vm, agent: AgentAddress, signal: AbortSignal): Promise<void> {
  const { clock, link } = context;
  let lastAnswerMs = clock.now();
  while (!signal.aborted) {
    try {
      await link.health(agent, signal);
      lastAnswerMs = clock.now();
    } catch (error) {
      if (signal.aborted) return;
      const silentMs = clock.now() - lastAnswerMs;
      if (silentMs > heartbeatLossMs) {
        return await failVm(
          context,
          vm.name,
          `its agent was silent for ${silentMs} ms: ${toTidepoolError(error).message}`,
        );
      }
    }
    await clock.sleep(heartbeatEveryMs, signal).catch(() => undefined);
  }
}

/** Takes a VM out of service. The pool's next step removes and replaces it. */
export async function failVm(context: PoolContext, name: string, reason: string): Promise<void> {
  const nowMs = context.clock.now();
  const moved = await context.store.vms.move(name, ['creating', 'booting', 'ready', 'draining'], {
    state: 'failed',
    reason,
    nowMs,
  });
  if (!moved) return;
  context.log(`vm ${name}: failed: ${reason}`);
  context.changes.notify('vms');
}
