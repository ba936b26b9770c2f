import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiClient } from '../src/cli/client.ts';
import { findServer } from '../src/config/connection.ts';
import { consoleOf, GuestShell } from '../test/support/guest-shell.ts';
import { startServer, temporaryFolder } from '../test/support/server.ts';
import type { Bench, BenchContext } from './harness.ts';

const serverMiB = 150;
const agentMiB = 60;
const idleMs = 60_000;

/**
 * Resident memory (VmRSS) after a minute without work, of a server with one pool and of the agent in its VM. `first`: of a start
 * with an empty cache, which builds everything; `second`: of a start that finds it. Each once: a first start takes minutes.
 */
const bench: Bench = {
  name: 'footprint',
  question: 'how much memory does a server with one pool keep, and the agent in a VM?',
  unit: 'MiB',
  atMost: 1,
  async run(context) {
    const root = await temporaryFolder('bench-footprint');
    const cacheDir = join(root.path, 'cache');
    const before = process.env.TIDEPOOL_CACHE_DIR;
    try {
      // QEMU, which may run as another user, reads the image there.
      await chmod(root.path, 0o711);
      await mkdir(cacheDir, { mode: 0o755 });
      process.env.TIDEPOOL_CACHE_DIR = cacheDir;
      const first = await footprint(context, join(root.path, 'first'));
      const second = await footprint(context, join(root.path, 'second'));
      return [
        { variant: 'first', ours: [first.serverMiB], baseline: [serverMiB] },
        { variant: 'second', ours: [second.serverMiB], baseline: [serverMiB] },
        { variant: 'agent', ours: [second.agentMiB], baseline: [agentMiB] },
      ];
    } finally {
      if (before === undefined) delete process.env.TIDEPOOL_CACHE_DIR;
      else process.env.TIDEPOOL_CACHE_DIR = before;
      await root.remove();
    }
  },
};

async function footprint({ log, signal }: BenchContext, dataDir: string) {
  const server = await startServer(dataDir);
  try {
    await sleep(idleMs, undefined, { signal });
    const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
    const figures = { serverMiB: residentMiB(status), agentMiB: await agentResidentMiB(dataDir) };
    log(`server ${figures.serverMiB.toFixed(0)} MiB, agent ${figures.agentMiB.toFixed(0)} MiB`);
    return figures;
  } finally {
    server.signal('SIGINT');
    await server.ended;
  }
}

async function agentResidentMiB(dataDir: string): Promise<number> {
  const client = new ApiClient(await findServer(dataDir));
  const [vm] = await client.vms();
  if (vm === undefined) throw new RangeError('there is no VM');
  const shell = new GuestShell(consoleOf(client, vm.name));
  const status = await shell.run(
    'for p in /proc/[0-9]*; do busybox grep -q node $p/cmdline && busybox cat $p/status; done 2>/dev/null',
  );
  return residentMiB(status);
}

/** @param status text of /proc/PID/status, or of several processes: the largest counts */
function residentMiB(status: string): number {
  const sizes = [...status.matchAll(/^VmRSS:\s+(\d+) kB/gm)].map((match) => Number(match[1]) / 1_024);
  if (sizes.length === 0) throw new RangeError(`no VmRSS in: ${status.slice(0, 200)}`);
  return Math.max(...sizes);
}

export default bench;
