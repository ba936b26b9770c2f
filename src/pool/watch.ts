import type { AgentAddress } from '../domain/agent-link.ts';
import { toTidepoolError } from '../domain/errors.ts';
import { type Vm, vmStates } from '../domain/vm.ts';
import type { AgentHealth } from '../protocol/agent.ts';
import { withDeadline } from '../reconcile/deadline.ts';
import type { PoolContext } from './context.ts';
import { failVm } from './fail.ts';
import { firstHealth } from './ready.ts';

/** Between two heartbeats of a VM in service. */
const heartbeatEveryMs = 500;
/** An agent that has been silent for so long, in a machine that uses no CPU, is dead: its machine hangs. */
const hangMs = 2_000;
/** Between two samples of CPU use. */
const sampleMs = 1_000;
/** A guest that lives uses more than this, if only for its timers. */
const idleCpu = 0.001;
/** An agent that has been silent for so long is dead, however busy its machine is. */
const silenceMs = 15_000;

/**
 * Waits for the first answer of a booting VM's agent. Undefined when the VM was given up (`failed`) or the signal fired.
 */
export async function waitForBoot(context: PoolContext, vm: Vm, signal: AbortSignal): Promise<AgentHealth | undefined> {
  const { clock } = context;
  const agent = agentAddress(vm);
  if (agent === undefined) return undefined;
  const limitMs = vmStates.booting.maxMs ?? 120_000;
  const leftMs = vm.stateSinceMs + limitMs - clock.now();
  try {
    return await withDeadline(clock, leftMs, signal, (limited) => firstHealth(context.link, agent, clock, limited));
  } catch {
    // Only its own time limit or ours ends the wait.
    if (!signal.aborted)
      await failVm(context, vm.name, `its agent did not answer within ${limitMs / 1_000} s of the boot`);
    return undefined;
  }
}

/** Asks the agent of a VM in service again and again, until the VM is given up (`failed`) or the signal fires. */
export async function heartbeats(context: PoolContext, vm: Vm, signal: AbortSignal): Promise<void> {
  const { clock, link } = context;
  const agent = agentAddress(vm);
  if (agent === undefined) return;
  let lastAnswerMs = clock.now();
  while (!signal.aborted) {
    try {
      await withDeadline(clock, hangMs, signal, (limited) => link.health(agent, limited));
      lastAnswerMs = clock.now();
    } catch (error) {
      if (signal.aborted) return;
      const reason = deathReason(context, vm.name, lastAnswerMs);
      if (reason !== undefined) return failVm(context, vm.name, `${reason} (${toTidepoolError(error).message})`);
    }
    await clock.sleep(heartbeatEveryMs, signal).catch(() => undefined);
  }
}

/**
 * Why a silent VM counts as dead, or undefined while it may only be slow. A guest under full load may leave its agent
 * little time, but then it uses CPU; a machine that hangs uses none.
 */
function deathReason(context: PoolContext, name: string, lastAnswerMs: number): string | undefined {
  const silentForMs = context.clock.now() - lastAnswerMs;
  if (silentForMs >= silenceMs) return `its agent has been silent for ${silentForMs} ms`;
  if (silentForMs < hangMs) return undefined;
  // A sample tells of the second before it: only one that lies wholly in the silence is evidence.
  const cpu = context.cpuSince(name, lastAnswerMs + sampleMs);
  const hangs = cpu === undefined ? silentForMs >= hangMs + sampleMs / 4 : cpu < idleCpu;
  return hangs ? `it hangs: no answer and no CPU use for ${silentForMs} ms` : undefined;
}

/** Where a VM's agent is, once that is known. */
export function agentAddress(vm: Vm): AgentAddress | undefined {
  if (vm.host === null || vm.port === null) return undefined;
  return { host: vm.host, port: vm.port, keyId: vm.keyId, key: vm.key };
}
