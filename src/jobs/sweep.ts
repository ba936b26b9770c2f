import { type AgentAddress, agentAddress } from '../domain/agent-link.ts';
import { toTidepoolError } from '../domain/errors.ts';
import { attemptId } from '../domain/job.ts';
import type { JobContext } from './context.ts';

/**
 * Removes from every ready worker what no active job stands for: ended attempts whose removal was interrupted, and runs
 * that were given up. The agent's list is read before ours: what is in it was in ours before it was started.
 * @param signal ends it after the worker that it is at
 */
export async function sweepWorkers(context: JobContext, signal?: AbortSignal): Promise<void> {
  for (const vm of await context.store.vms.list()) {
    // Each that is silent takes as long as a call to its agent may: the end of the server waits for one at most.
    if (signal?.aborted === true) return;
    const agent = agentAddress(vm);
    if (vm.state !== 'ready' || agent === undefined) continue;
    try {
      await sweepWorker(context, vm.name, agent);
    } catch (error) {
      context.log(`sweep of ${vm.name}: ${toTidepoolError(error).message}`);
    }
  }
}

async function sweepWorker(context: JobContext, worker: string, agent: AgentAddress): Promise<void> {
  const reports = await context.link.attempts(agent);
  const held = (await context.store.jobs.holdingsByWorker()).get(worker) ?? [];
  const active = new Set(held.map((one) => attemptId(one.jobId, one.attempt)));
  const leftovers = reports.filter(({ id }) => !active.has(id));
  if (leftovers.length === 0) return;
  const running = leftovers.filter(({ state }) => state !== 'ended').map(({ id }) => id);
  if (running.length > 0) context.log(`ending ${running.join(', ')}, which no job stands for`);
  await context.link.remove(
    agent,
    leftovers.map(({ id }) => id),
  );
}
