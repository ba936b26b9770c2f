import { join } from 'node:path';
import { temporaryFolder } from '../test/support/server.ts';
import { alternate, type Bench, type BenchContext, type Series } from './harness.ts';
import { listedMs, submissionMs } from './scale/cost.ts';
import { fill, type Size } from './scale/fill.ts';
import { live } from './scale/live.ts';
import { openJobs } from './scale/parts.ts';

const patienceMs = 50;
const memoryMiB = 500;
const few: Size = { queued: 100, running: 0, vms: 0, joined: 0 };
const million: Size = { ...few, queued: 1_000_000 };
const large: Size = { queued: 100_000, running: 10_000, vms: 1_000, joined: 10_000 };

/**
 * The cost of a large cloud for its control plane. `submit`, `list`: a submission, and a listed job, with 1,000,000 jobs of one
 * user in the database over the same with 100, by turns. `delay`: the event loop of a whole server while 100,000 jobs of one user
 * wait, 10,000 run on 1,000 VMs of 10 pools, 10,000 workers have joined, and others ask for all that there is, over 50 ms;
 * `own-delay`: the same by the CPU time of the thread alone. `memory`: a server that schedules 1,000,000 jobs, over 500 MiB.
 */
const bench: Bench = {
  name: 'scale',
  question: 'what does a control plane with very many jobs, VMs and workers cost?',
  unit: 'ms',
  atMost: 1,
  async run(context) {
    const root = await temporaryFolder('bench-scale');
    try {
      const folders = {
        few: join(root.path, 'few'),
        million: join(root.path, 'million'),
        large: join(root.path, 'large'),
      };
      context.log('filling three databases');
      await fill(folders.few, few);
      await fill(folders.million, million);
      await fill(folders.large, large);
      const costs = await compareCosts(context, folders.million, folders.few);
      return [...costs, ...(await watch(context, folders))];
    } finally {
      await root.remove();
    }
  },
};

async function compareCosts(context: BenchContext, million: string, few: string): Promise<Series[]> {
  const [many, less] = [await openJobs(million), await openJobs(few)];
  try {
    // Code is compiled and pages are read once.
    for (const one of [many, less]) for (const measure of [submissionMs, listedMs]) await measure(one);
    const limit = { atMost: 2 };
    const submit = await alternate(
      context,
      () => submissionMs(many),
      () => submissionMs(less),
    );
    const list = await alternate(
      context,
      () => listedMs(many),
      () => listedMs(less),
    );
    return [
      { ...submit, variant: 'submit', limit },
      { ...list, variant: 'list', limit },
    ];
  } finally {
    await many.store.close();
    await less.store.close();
  }
}

/** Each in a process of its own, once: it takes a minute and the worst is looked for. */
async function watch(context: BenchContext, folders: { large: string; million: string }): Promise<Series[]> {
  const { delayMs, ownDelayMs } = await live(context, folders.large, large);
  const { peakMiB } = await live(context, folders.million, million);
  return [
    { variant: 'delay', ours: [Math.max(delayMs, 0.001)], baseline: [patienceMs] },
    { variant: 'own-delay', ours: [Math.max(ownDelayMs, 0.001)], baseline: [patienceMs] },
    { variant: 'memory', unit: 'MiB', ours: [peakMiB], baseline: [memoryMiB] },
  ];
}

export default bench;
