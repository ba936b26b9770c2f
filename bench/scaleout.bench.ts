import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ApiClient } from '../src/cli/client.ts';
import { JobClient } from '../src/cli/job-client.ts';
import { findServer } from '../src/config/connection.ts';
import type { PoolView, VmView } from '../src/protocol/api.ts';
import { startAgentVm } from '../test/support/agent-vm.ts';
import { until } from '../test/support/poll.ts';
import { startServer, type TestServer, temporaryFolder } from '../test/support/server.ts';
import { alternate, type Bench, type BenchContext, type Series, timeMs } from './harness.ts';

const run = promisify(execFile);
const pool = 'default';
const uri = process.getuid?.() === 0 ? 'qemu:///system' : 'qemu:///session';

/**
 * From the decision to the first work that the new VM has done. Warm: over `virsh resume` and the same work on the same
 * VM by hand. Cold: over the bare boot of a VM (bench `boot`).
 */
const scaleout: Bench = {
  name: 'scaleout',
  question: 'how long from the decision to grow until the new VM has done work?',
  atMost: 1.5,
  run: async (context) => [await warm(context), await cold(context)],
};

/** A pool of none whose one VM is warm: growing to 1 resumes it, shrinking to 0 parks it again. */
async function warm(context: BenchContext): Promise<Series> {
  return withServer({ min: 0, max: 1, warm: 1 }, async (client, script, server) => {
    await until(
      () => client.pool(pool),
      (view) => view.counts.warm === 1,
      120_000,
    );
    const ours = async (): Promise<number> => {
      const tookMs = await timeMs(async () => {
        await client.scalePool(pool, 1);
        await workDone(client, script);
      });
      await client.scalePool(pool, 0);
      await parked(client);
      return tookMs;
    };
    const byHand = async (): Promise<number> => {
      // In service, so that work can be sent to it; then paused by hand while the server looks away, or it would take that
      // for a fault.
      await client.scalePool(pool, 1);
      const vm = await until(
        async () => (await client.vms()).find((one) => one.state === 'ready'),
        (one) => one !== undefined,
        30_000,
      );
      await workDone(client, script);
      server.signal('SIGSTOP');
      await virsh('suspend', vm as VmView);
      const tookMs = await timeMs(async () => {
        await virsh('resume', vm as VmView);
        server.signal('SIGCONT');
        await workDone(client, script);
      });
      await client.scalePool(pool, 0);
      await parked(client);
      return tookMs;
    };
    return { ...(await alternate(context, ours, byHand)), variant: 'warm' };
  });
}

async function cold(context: BenchContext): Promise<Series> {
  return withServer({ min: 0, max: 1, warm: 0 }, async (client, script) => {
    const ours = async (): Promise<number> => {
      const tookMs = await timeMs(async () => {
        await client.scalePool(pool, 1);
        await workDone(client, script);
      });
      await client.scalePool(pool, 0);
      await until(
        () => client.vms(),
        (vms) => vms.length === 0,
        60_000,
      );
      return tookMs;
    };
    const bareBoot = async (): Promise<number> => {
      let stop = async (): Promise<void> => undefined;
      const tookMs = await timeMs(async () => {
        stop = (await startAgentVm({ memoryMiB: 2048 })).stop;
      });
      await stop();
      return tookMs;
    };
    return { ...(await alternate(context, ours, bareBoot)), variant: 'cold', limit: { atMost: 1.2 } };
  });
}

/** Waits until the one VM is warm again. */
async function parked(client: ApiClient): Promise<void> {
  const isParked = (view: PoolView): boolean => view.counts.warm === 1 && view.counts.draining === 0;
  await until(() => client.pool(pool), isParked, 30_000);
}

async function workDone(client: ApiClient, script: string): Promise<void> {
  const jobs = new JobClient(client);
  const { id } = await jobs.submit({}, { script }, sleep);
  const job = await until(
    () => jobs.job(id),
    (one) => one.ended,
    60_000,
  );
  if (job.state !== 'succeeded') throw new Error(`${job.state}: ${job.reason}`);
}

function virsh(verb: string, vm: VmView): Promise<unknown> {
  return run('virsh', ['-c', uri, verb, vm.name]);
}

async function withServer(
  settings: { min: number; max: number; warm: number },
  use: (client: ApiClient, script: string, server: TestServer) => Promise<Series>,
): Promise<Series> {
  const folder = await temporaryFolder('bench-scaleout');
  const config = join(folder.path, 'config.json');
  const script = join(folder.path, 'work.py');
  await writeFile(script, 'print("done")\n');
  await writeFile(config, JSON.stringify({ pools: [{ name: pool, prefix: 'scaleout', ...settings }] }));
  const dataDir = join(folder.path, 'data');
  const server = await startServer(dataDir, ['--config', config]);
  try {
    return await use(new ApiClient(await findServer(dataDir)), script, server);
  } finally {
    server.signal('SIGINT');
    await server.ended;
    await folder.remove();
  }
}

export default scaleout;
