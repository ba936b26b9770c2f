import type { FakeHypervisor } from '../../src/fake/hypervisor.ts';
import type { PoolHypervisor } from '../../src/pool/limited-hypervisor.ts';
import type { World } from './world.ts';

/** After this long the pool gives a call up, and may begin another on the same machine. */
const givenUpAfterMs = { create: 60_000, suspend: 30_000, resume: 30_000, remove: 30_000 };
type Change = keyof typeof givenUpAfterMs;

/** Launches that fail in a row within this time, of which a pool with pauses between them makes no more. */
const launchesMs = 60_000;
const mostLaunches = 25;

/** The hypervisor as one server's pool sees it, with eyes on what the pool does to machines that work. */
export function watchedHypervisor(hypervisor: FakeHypervisor, world: World): PoolHypervisor {
  const { clock, store } = world;
  const open = new Map<string, { readonly change: Change; readonly untilMs: number }>();
  let failedAtMs: number[] = [];
  const jobsOn = async (name: string): Promise<string[]> =>
    ((await store.jobs.holdingsByWorker()).get(name) ?? []).map(({ jobId }) => jobId);

  /** A pool does one thing at a time to a machine. */
  const change = async <T>(kind: Change, name: string, work: () => Promise<T>): Promise<T> => {
    const nowMs = clock.uptimeMs();
    const other = open.get(name);
    if (other !== undefined && nowMs < other.untilMs)
      world.violated(`${kind} of ${name} was begun while its ${other.change} lasts`);
    const own = { change: kind, untilMs: nowMs + givenUpAfterMs[kind] };
    open.set(name, own);
    try {
      return await work();
    } finally {
      if (open.get(name) === own) open.delete(name);
    }
  };

  const launchFailed = (): void => {
    const nowMs = clock.uptimeMs();
    failedAtMs = [...failedAtMs.filter((atMs) => nowMs - atMs < launchesMs), nowMs];
    if (failedAtMs.length > mostLaunches) world.violated(`${failedAtMs.length} launches failed within a minute`);
  };

  return {
    hostRoom: () => hypervisor.hostRoom(),
    list: () => hypervisor.list(),
    get: (name) => hypervisor.get(name),
    resume: (name) => change('resume', name, () => hypervisor.resume(name)),
    onEvent: (listener) => hypervisor.onEvent(listener),
    async create(spec) {
      try {
        const machine = await change('create', spec.name, () => hypervisor.create(spec));
        failedAtMs = [];
        return machine;
      } catch (error) {
        launchFailed();
        throw error;
      }
    },
    async suspend(name) {
      const jobs = await jobsOn(name);
      if (jobs.length > 0) world.violated(`${name} was paused with ${jobs} on it`);
      if (world.stands(name)) world.harm(name, 'is paused while it stands for lack of room');
      await change('suspend', name, () => hypervisor.suspend(name));
    },
    async remove(name) {
      const row = await store.vms.get(name);
      const jobs = await jobsOn(name);
      const state = row?.state ?? 'leftover';
      if (!['leftover', 'failed', 'stopping', 'dead'].includes(state))
        world.violated(`${name} was removed while ${state}`);
      if (state === 'stopping' && jobs.length > 0 && !world.deleted.has(name)) {
        world.violated(`${name} was removed with ${jobs} on it`);
      }
      await change('remove', name, () => hypervisor.remove(name));
    },
  };
}
