import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir, uptime } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/agent/clock.ts';
import { Watchdog, watchdogScript } from '../../src/worker/watchdog.ts';
import { until } from '../support/poll.ts';

const limitMs = 60_000;
const main = fileURLToPath(new URL('./watched.ts', import.meta.url));

/** A folder that looks like the cgroups of a worker with a job in it. */
async function cgroups(t: TestContext) {
  const cgroup = await mkdtemp(join(tmpdir(), 'tidepool-watchdog-'));
  await mkdir(join(cgroup, 'jobs'));
  const events = join(cgroup, 'jobs', 'cgroup.events');
  await writeFile(events, 'populated 1\nfrozen 0\n');
  const workers: ChildProcess[] = [];
  t.after(async () => {
    for (const worker of workers) worker.kill('SIGKILL');
    // Else it would go on to end what is there.
    await writeFile(events, 'populated 0\nfrozen 0\n');
    await until(isWatched, (is) => !is, limitMs);
    await rm(cgroup, { recursive: true });
  });
  const isKilled = (): Promise<boolean> =>
    readFile(join(cgroup, 'jobs', 'cgroup.kill'), 'utf8').then(
      (text) => text === '1\n',
      () => false,
    );
  const watchdogs = async (): Promise<number[]> => {
    const { stdout } = await run('pgrep', ['-f', `watchdog ${cgroup}/watchdog`]);
    return stdout.trim().split('\n').filter(Boolean).map(Number);
  };
  const isWatched = async (): Promise<boolean> => (await watchdogs()).length > 0;
  const startWorker = async (untilMs: number): Promise<ChildProcess> => {
    const child = spawn(process.execPath, [main, cgroup, String(untilMs)], { stdio: ['ignore', 'pipe', 'inherit'] });
    workers.push(child);
    await once(child.stdout ?? assert.fail(), 'data');
    return child;
  };
  return { cgroup, isKilled, watchdogs, startWorker };
}

async function run(program: string, args: readonly string[]): Promise<{ stdout: string }> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += String(chunk);
  });
  await once(child, 'close');
  return { stdout };
}

test('a worker that is killed and not started again leaves no job', async (t) => {
  const { isKilled, startWorker } = await cgroups(t);
  const worker = await startWorker(Number.POSITIVE_INFINITY);
  assert.equal(await isKilled(), false);
  worker.kill('SIGKILL');
  await until(isKilled, (is) => is, limitMs);
});

test('a worker that stands still has its jobs ended when its permission to work has run out, and not before', async (t) => {
  const { isKilled, startWorker } = await cgroups(t);
  const untilMs = uptime() * 1_000 + 6_000;
  const worker = await startWorker(untilMs);
  // It has told it by then.
  await until(
    async () => uptime() * 1_000 > untilMs - 4_000,
    (is) => is,
    limitMs,
  );
  worker.kill('SIGSTOP');
  await until(isKilled, (is) => is || uptime() * 1_000 > untilMs - 500, limitMs);
  assert.equal(await isKilled(), false, 'it still might work');
  await until(isKilled, (is) => is, limitMs);
});

test('a watchdog that dies is replaced', async (t) => {
  const { isKilled, watchdogs, startWorker } = await cgroups(t);
  const worker = await startWorker(Number.POSITIVE_INFINITY);
  const [first] = await watchdogs();
  assert.ok(first !== undefined);
  process.kill(first, 'SIGKILL');
  await until(watchdogs, (pids) => pids.length === 1 && pids[0] !== first, limitMs);
  assert.equal(await isKilled(), false);
  worker.kill('SIGKILL');
  await until(isKilled, (is) => is, limitMs);
});

test('a worker that ends leaves no watchdog', async (t) => {
  const { cgroup, watchdogs } = await cgroups(t);
  await writeFile(join(cgroup, 'jobs', 'cgroup.events'), 'populated 0\n');
  const lease = { untilMs: Number.POSITIVE_INFINITY };
  const watchdog = new Watchdog({ cgroup, lease, clock: systemClock, log: () => undefined });
  await watchdog.start();
  assert.equal((await watchdogs()).length, 1);
  await watchdog.stop();
  assert.deepEqual(await watchdogs(), []);
});

test('the rest of a line that came too late in its second is not taken for a time', async (t) => {
  const { cgroup, isKilled } = await cgroups(t);
  const folders = [join(cgroup, 'watchdog'), join(cgroup, 'jobs')];
  await mkdir(folders[0] ?? '');
  const child = spawn('busybox', ['sh', '-c', watchdogScript, 'watchdog', ...folders], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const nowHundredths = Math.floor(uptime() * 100);
  try {
    // Its beginning is read with the second that ends within it, its end with the next one.
    for (const rest of ['1\n', '1 .\n', 'til 1 .\n', ' .\n', '.\n', '\n']) child.stdin.write(rest);
    child.stdin.write(`until ${nowHundredths + 1_000_000} .\n`);
    // Long enough for all of it to be read on a quick machine; on a slow one the test sees less, and does not fail.
    await setTimeout(1_500);
    assert.equal(await isKilled(), false);
    child.stdin.write(`until ${nowHundredths - 100} .\n`);
    await until(isKilled, (is) => is, limitMs);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'close');
  }
});
