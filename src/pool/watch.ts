import { type AgentAddress, agentAddress } from '../domain/agent-link.ts';
import { toTidepoolError } from '../domain/errors.ts';
import type { Vm } from '../domain/vm.ts';
import { type AgentFacts, areSameFacts, factsOf } from '../domain/vm-facts.ts';
import type { AgentHealth } from '../protocol/agent.ts';
import { fractionOf } from '../reconcile/backoff.ts';
import { withDeadline } from '../reconcile/deadline.ts';
import { Silence } from '../reconcile/lateness.ts';
import { busyCpu, sampleMs } from './busy.ts';
import { type PoolContext, usualPace } from './context.ts';
import { failVm } from './fail.ts';
import { isClockOff } from './guest-clock.ts';
import { agentEndpoint } from './launch.ts';
import { firstHealth } from './ready.ts';

/** Between two looks for the address of a VM that boots. */
const addressEveryMs = 1_000;
/** An agent that has been silent for so long, though its machine had CPU to spare, is dead, or its machine hangs. */
const hangMs = 2_000;
/** An agent that has been silent for so long is dead, however busy its machine is. */
const silenceMs = 15_000;
/** Minimum time between two writes of the facts that an agent reports of its machine. */
const learnEveryMs = 10_000;
/** On a host that always lags, a VM is judged all the same after this many late waits in a row. */
const mostLate = 3;

/**
 * Waits for the first answer of a booting VM's agent. Undefined when the signal fired; how long it may take is not decided
 * here (overdue.ts).
 */
export async function waitForBoot(
  context: PoolContext,
  vm: Vm,
  signal: AbortSignal,
): Promise<{ readonly agent: AgentAddress; readonly health: AgentHealth } | undefined> {
  try {
    const agent = await whereAgentIs(context, vm, signal);
    return { agent, health: await firstHealth(context.link, agent, context.clock, signal) };
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

/** On a bridge or a network of libvirt's, a machine gets its address only while it boots. */
async function whereAgentIs(context: PoolContext, vm: Vm, signal: AbortSignal): Promise<AgentAddress> {
  for (;;) {
    const machine = agentAddress(vm) === undefined ? await context.hypervisor.get(vm.name) : undefined;
    const facts = machine === undefined ? {} : agentEndpoint(machine);
    const agent = agentAddress({ ...vm, ...facts });
    if (agent !== undefined) {
      const move = { state: 'booting' as const, reason: vm.reason, nowMs: vm.stateSinceMs, facts };
      if (machine !== undefined) await context.store.vms.move(vm.name, ['booting'], move);
      return agent;
    }
    await context.clock.sleep(addressEveryMs, signal);
  }
}

/**
 * Asks the agent of a VM in service again and again, until the VM is given up (`failed`) or the signal fires.
 * @param stands whether the guest is known to stand for lack of room on the host, or stood a moment ago: charged to nobody
 */
export async function heartbeats(
  context: PoolContext,
  vm: Vm,
  signal: AbortSignal,
  stands: (name: string) => boolean = () => false,
): Promise<void> {
  const { clock, link, pace = usualPace } = context;
  const agent = agentAddress(vm);
  if (agent === undefined) return;
  // A server that finds 1,000 VMs at its start does not ask them all at one moment, again and again.
  await clock.sleep(fractionOf(vm.name) * pace.heartbeatMs, signal).catch(() => undefined);
  let lastAnswerMs = clock.uptimeMs();
  const silence = new Silence({ pauseMs: pace.heartbeatMs, mostLate });
  silence.answered(clock.uptimeMs());
  let clockSetMs = Number.NEGATIVE_INFINITY;
  let known: AgentFacts = vm;
  let learntMs = Number.NEGATIVE_INFINITY;
  while (!signal.aborted) {
    const askedAtMs = clock.uptimeMs();
    try {
      const health = await withDeadline(clock, hangMs, signal, (limited) => link.health(agent, limited));
      const answeredMs = clock.uptimeMs();
      const reading = { guestMs: health.clockMs, nowMs: clock.now(), tookMs: answeredMs - askedAtMs };
      if (isClockOff(reading, answeredMs - clockSetMs)) {
        clockSetMs = answeredMs;
        await setClock(context, vm.name, agent, signal);
      }
      // The version is that of its image, which stays; its row may be older than the number.
      const facts = { ...factsOf(health), protocol: vm.protocol };
      if (!areSameFacts(known, facts) && answeredMs - learntMs >= learnEveryMs) {
        learntMs = answeredMs;
        if (await learn(context, vm, facts)) known = facts;
      }
      lastAnswerMs = answeredMs;
      silence.answered(clock.uptimeMs());
    } catch (error) {
      if (signal.aborted) return;
      const mayJudge = silence.missed({ askedAtMs, nowMs: clock.uptimeMs(), limitMs: hangMs });
      if (stands(vm.name)) silence.answered(clock.uptimeMs());
      const reason = mayJudge ? deathReason(context, vm.name, lastAnswerMs, silence.chargedMs) : undefined;
      // Somebody else may have seen it stand while the hypervisor was asked.
      const isStanding = reason !== undefined && ((await lacksRoom(context, vm.name)) || stands(vm.name));
      if (isStanding) silence.answered(clock.uptimeMs());
      else if (reason !== undefined) {
        return failVm(context, vm.name, `${reason} (${toTidepoolError(error).message})`, ['ready', 'draining']);
      }
    }
    await clock.sleep(pace.heartbeatMs, signal).catch(() => undefined);
  }
}

/** Writes down what the agent says of its machine now, e.g. that it has fewer slots. Returns whether that is written. */
async function learn(context: PoolContext, { name, keyId }: Vm, facts: AgentFacts): Promise<boolean> {
  try {
    await context.store.vms.learn(name, keyId, facts);
  } catch (error) {
    context.log(`vm ${name}: what it has cannot be written down: ${toTidepoolError(error).message}`);
    return false;
  }
  context.changes.notify('vms');
  context.changes.notify('queue');
  return true;
}

/** A guest whose clock cannot be set serves on. */
async function setClock(context: PoolContext, name: string, agent: AgentAddress, signal: AbortSignal): Promise<void> {
  const { clock, link, log } = context;
  try {
    await withDeadline(clock, hangMs, signal, (limited) => link.setClock(agent, clock, limited));
    log(`the clock of ${name} was wrong, and has been set`);
  } catch (error) {
    if (!signal.aborted) log(`the clock of ${name} is wrong and cannot be set: ${toTidepoolError(error).message}`);
  }
}

/** Whether a silent VM stands for lack of room on the host, which is waited for (no-room.ts). Without an answer: no. */
async function lacksRoom({ hypervisor }: PoolContext, name: string): Promise<boolean> {
  try {
    return (await hypervisor.get(name))?.pauseReason === 'no_room';
  } catch {
    return false; // The VM is judged by what is known; its machine is destroyed only by a hypervisor that answers.
  }
}

/**
 * Why a silent VM counts as dead, or undefined while it may only be slow. A guest under full load may leave its agent
 * little time, and a host under full load its guests; but then the machine uses CPU, or waits for it. Samples that are
 * missing say nothing: libvirt is slow exactly when agents are.
 */
function deathReason(
  context: PoolContext,
  name: string,
  lastAnswerMs: number,
  silentForMs: number,
): string | undefined {
  if (silentForMs >= silenceMs) return `its agent has been silent for ${Math.round(silentForMs)} ms`;
  if (silentForMs < hangMs) return undefined;
  // A sample tells of the second before it: only one that lies wholly in the silence is evidence.
  const cpu = context.cpuWantedSince(name, lastAnswerMs + sampleMs);
  if (cpu === undefined || cpu >= busyCpu) return undefined;
  return `it hangs: no answer and ${Math.round(cpu * 100)} % CPU use for ${Math.round(silentForMs)} ms`;
}
