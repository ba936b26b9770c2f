import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bundleAgent } from '../../src/image/bundle-agent.ts';
import { squashfsFlags } from '../../src/image/squashfs.ts';
import type { WorkerView } from '../../src/protocol/api.ts';
import { type AgentVm, startAgentVm } from '../support/agent-vm.ts';
import { type OwnCache, ownCache } from '../support/own-cache.ts';
import { until } from '../support/poll.ts';
import { startServer, startTidepool, type TestServer, temporaryFolder, tidepool } from '../support/server.ts';
import { relayFor } from './host-relay.ts';

/**
 * A machine with crun that is none of the server's VMs joins by hand, and runs the jobs of a server that has no VM at all.
 * (It is a guest of ours, since not every machine that runs the tests has cgroups of version 2.)
 */
const run = promisify(execFile);
const limitMs = 180_000;
const [relayPort, serverPort] = [9_100, 7_000];

/** A disk with quotas, and one without. */
const places = { lab: '/var/lib/lab', spare: '/spare' } as const;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let cache: OwnCache;
let server: TestServer;
let machine: AgentVm;
let relay: ReturnType<typeof relayFor> | undefined;
let dataDir = '';
let token = '';

before(async () => {
  folder = await temporaryFolder('workers');
  cache = await ownCache();
  dataDir = join(folder.path, 'data');
  const config = join(folder.path, 'config.json');
  // Its pool has no VM and gets none.
  await writeFile(config, JSON.stringify({ pools: [{ name: 'default', min: 0, max: 0 }] }));
  [server, machine] = await Promise.all([startServer(dataDir, ['--config', config]), startMachine()]);
  relay = relayFor(machine.other ?? assert.fail('no port'), Number(new URL(server.url).port));
  token = (await ok(['token', 'create', '--name', 'machines', '--scope', 'worker'])).trim().split(/\s+/).at(-1) ?? '';
});
after(async () => {
  relay?.close();
  server.signal('SIGINT');
  await machine.stop();
  assert.equal(await server.ended, 0, server.output());
  await cache.remove();
  await folder.remove();
});

/** With the worker's program on a disk. */
async function startMachine(): Promise<AgentVm> {
  const files = join(folder.path, 'tool');
  await mkdir(files);
  for (const name of ['worker', 'relay']) {
    const { code } = await bundleAgent(fileURLToPath(new URL(`./guest-${name}.ts`, import.meta.url)));
    await writeFile(join(files, `${name}.mjs`), code);
  }
  const disk = join(cache.path, 'tool.squashfs');
  await run('mksquashfs', [files, disk, ...squashfsFlags]);
  const vm = await startAgentVm({ disks: [{ name: 'tool', path: disk }], port: relayPort, memoryMiB: 2048 });
  await vm.shell(`mkdir ${places.spare}; mount -t tmpfs -o size=400m,mode=755 spare ${places.spare}`);
  await vm.shell(
    `modprobe loop; (/usr/local/bin/node /runtimes/tool/relay.mjs ${relayPort} ${serverPort} >/tmp/relay.log 2>&1 &)`,
  );
  return vm;
}

async function ok(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await tidepool(dataDir, args);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Starts a worker's process in the guest. */
async function startWorker(name: keyof typeof places): Promise<void> {
  const words = [serverPort, name, places[name], token].join(' ');
  await machine.shell(
    `(/usr/local/bin/node /runtimes/tool/worker.mjs ${words} >>/tmp/${name}.log 2>&1 & echo $! >/tmp/${name}.pid)`,
  );
}

const signal = (name: string, what: string) => machine.shell(`kill -${what} $(cat /tmp/${name}.pid)`);
const isIdle = async (name: string): Promise<boolean> =>
  /populated 0/.test(await machine.shell(`cat /sys/fs/cgroup/tidepool-worker-${name}/jobs/cgroup.events`));
const logOf = (name: string) => machine.shell(`tail -n 20 /tmp/${name}.log`);

async function workers(): Promise<Record<string, string>> {
  const { workers: all } = JSON.parse(await ok(['worker', 'list', '--json']).then((text) => `{"workers":${text}}`));
  return Object.fromEntries(all.map((one: WorkerView) => [one.name, `${one.state} ${one.connected}`]));
}

async function workersBecome(wanted: Record<string, string>, name: string): Promise<void> {
  await until(workers, (seen) => JSON.stringify(seen) === JSON.stringify(wanted), limitMs).catch(async (error) => {
    assert.fail(`${String(error)}\n${await logOf(name)}\n${server.output()}`);
  });
}

async function script(name: string, text: string): Promise<string> {
  const path = join(folder.path, name);
  await writeFile(path, text);
  return path;
}

const limited = ['--cpus', '0.5', '--memory', '128M'];

async function writesTooMuch(): Promise<void> {
  const writes = await script('full.py', 'open("f", "wb").write(bytes(10 ** 6) * 40)\n');
  const full = await tidepool(dataDir, ['run', writes, ...limited, '--disk', '20M']);
  assert.match(full.stderr, /Disk quota exceeded|No space left/);
  assert.notEqual(full.code, 0);
}

test('a machine joins and runs jobs, within their limits', async () => {
  await startWorker('lab');
  await workersBecome({ lab: 'ready true' }, 'lab');
  const hello = await script(
    'hello.py',
    'import os\nprint("hello", os.getuid(), os.listdir("/"))\nopen("out/x", "w").write("y")\n',
  );
  const out = join(folder.path, 'results');
  const done = await tidepool(dataDir, ['run', hello, ...limited, '--out', out]);
  assert.match(done.stdout, /^hello 1000 /, done.stderr);
  assert.equal(await readFile(join(out, 'x'), 'utf8'), 'y');
  const greedy = await script('greedy.py', 'x = bytearray(10 ** 9)\n');
  const killed = await tidepool(dataDir, ['run', greedy, ...limited]);
  assert.match(killed.stderr, /memory/);
  await writesTooMuch();
});

test('when its process dies under a job, the job is run again on another', async () => {
  await startWorker('spare');
  const both = { lab: 'ready true', spare: 'ready true' };
  await workersBecome(both, 'spare');
  const slow = await script('slow.py', 'import time\nprint("begun", flush=True)\ntime.sleep(8)\nprint("done")\n');
  let attempts = 1;
  // Once more where the job had ended before its worker did: the machine stood still.
  for (let tries = 0; attempts === 1 && tries < 3; tries += 1) {
    const submitted = (await ok(['run', slow, ...limited, '--detach'])).trim();
    const show = async () => JSON.parse(await ok(['job', 'show', submitted, '--json']));
    const begun = await until(show, (job) => job.state === 'running' || job.ended, limitMs);
    const died = begun.vm === 'joined-lab' ? 'lab' : 'spare';
    await signal(died, 'KILL');
    // Nobody starts it again, and its job is ended all the same: another may get it when the work lease is over.
    await until(
      () => isIdle(died),
      (is) => is,
      limitMs,
    );
    await startWorker(died);
    const ended = await until(show, (job) => job.ended, limitMs);
    if (ended.state !== 'succeeded') {
      const logs = await Promise.all([logOf('lab'), logOf('spare')]);
      assert.fail([died, JSON.stringify(ended), ...logs, server.output()].join('\n'));
    }
    attempts = ended.attempt;
    await workersBecome(both, died);
  }
  assert.ok(attempts > 1, `${attempts} attempts`);
});

test('one is removed; the other limits what jobs write without quotas as well', async () => {
  await ok(['worker', 'remove', 'lab']);
  await workersBecome({ spare: 'ready true' }, 'lab');
  await until(
    () => logOf('lab'),
    (text) => /exit 0/.test(text),
    limitMs,
  );
  await writesTooMuch();
});

test('on TERM it takes no more jobs, runs the ones it has to their end, and ends', async () => {
  const slow = await script('slower.py', 'import time\nprint("begun", flush=True)\ntime.sleep(6)\nprint("done")\n');
  const job = startTidepool(dataDir, ['run', slow, ...limited]);
  await job.prints('begun\n');
  await signal('spare', 'TERM');
  assert.deepEqual(await job.done, { code: 0, stdout: 'begun\ndone\n', stderr: '' });
  await workersBecome({}, 'spare');
  await until(
    () => logOf('spare'),
    (text) => /exit 0/.test(text),
    limitMs,
  );
  // Nothing of it is left.
  const left = await machine.shell(
    'grep -c /spare/ /proc/mounts; cat /sys/fs/cgroup/tidepool-worker-spare/jobs/cgroup.procs',
  );
  assert.match(left, /^0\s*$/);
});
