import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiClient } from '../../src/cli/client.ts';
import { JobClient } from '../../src/cli/job-client.ts';
import { findServer } from '../../src/config/connection.ts';
import { startServer, startTidepool, type TestServer, temporaryFolder, tidepool } from '../support/server.ts';

/** One data folder and one VM, which outlives the servers of the first two tests. */
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let dataDir = '';
let server: TestServer;

before(async () => {
  folder = await temporaryFolder('restart');
  dataDir = join(folder.path, 'data');
  server = await startServer(dataDir);
});
after(async () => {
  server.signal('SIGINT');
  assert.equal(await server.ended, 0, server.output());
  await folder.remove();
});

/** Prints its own, new number when it starts: two starts would show two numbers. */
const numbered = `
import secrets, sys, time
print("start", secrets.token_hex(8), flush=True)
for i in range(int(sys.argv[1])):
    print(i, flush=True)
    time.sleep(0.1)
open("out/done.txt", "w").write("done")
`;

interface JobFacts {
  readonly id: string;
  readonly state: string;
  readonly attempt: number;
}

async function job(id: string): Promise<JobFacts> {
  return JSON.parse((await tidepool(dataDir, ['job', 'show', id, '--json'])).stdout);
}

async function vms(): Promise<{ name: string; state: string; createdAtMs: number }[]> {
  return JSON.parse((await tidepool(dataDir, ['vm', 'list', '--json'])).stdout);
}

test('kill -9 of the server while a job runs and another waits: both are there, each ran once, the VM is adopted', async () => {
  const path = join(folder.path, 'numbered.py');
  await writeFile(path, numbered);
  const [vmBefore] = await vms();

  const running = startTidepool(dataDir, ['run', path, '--out', join(folder.path, 'out'), '--', '40']);
  await running.prints('start');
  // By the API, which is quicker than a command: the first must still run.
  const client = new JobClient(new ApiClient(await findServer(dataDir)));
  await client.submit({ args: ['1'] }, { script: path }, sleep);
  server.signal('SIGKILL');
  assert.equal(await server.ended, 'SIGKILL');
  server = await startServer(dataDir, ['--keep-vms']);

  // The command that was there before the kill goes on as well: it finds the server again by its data folder's note only
  // when the port is the same, so this is judged by the jobs, not by its own end.
  running.child.kill('SIGKILL');
  await running.done;
  const jobs: JobFacts[] = JSON.parse((await tidepool(dataDir, ['job', 'list', '--json'])).stdout);
  assert.equal(jobs.length, 2);
  for (const { id } of jobs) {
    const logs = await tidepool(dataDir, ['job', 'logs', id, '--follow']);
    assert.equal(logs.stdout.match(/start/g)?.length, 1, logs.stdout);
    const ended = await job(id);
    assert.equal(ended.state, 'succeeded');
    assert.equal(ended.attempt, 1);
    const numbers = logs.stdout.trim().split('\n').slice(1).map(Number);
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => i),
      'no line lost, none twice',
    );
  }
  const [vmAfter, ...others] = await vms();
  assert.deepEqual(others, []);
  assert.equal(vmAfter?.name, vmBefore?.name);
  assert.equal(vmAfter?.createdAtMs, vmBefore?.createdAtMs, 'the same VM');
});

test('--keep-vms leaves the VM for the next start; Ctrl-C without it removes the VM', async () => {
  const before = await vms();
  const name = before[0]?.name ?? assert.fail('there is no VM');
  server.signal('SIGINT');
  assert.equal(await server.ended, 0, server.output());
  server = await startServer(dataDir);
  assert.ok(server.output().includes(`${name}: adopted`), server.output());
  assert.deepEqual(
    (await vms()).map((vm) => vm.createdAtMs),
    before.map((vm) => vm.createdAtMs),
  );
  server.signal('SIGINT');
  assert.equal(await server.ended, 0, server.output());
  assert.ok(server.output().includes(`${name}: removed`), server.output());
});

test('a second server on the same data folder, or on a taken port, says so and ends', async () => {
  const config = join(folder.path, 'config.json');
  await writeFile(config, JSON.stringify({ pools: [{ name: 'default', min: 0, max: 0 }] }));
  server = await startServer(dataDir, ['--config', config]);
  const again = await tidepool(dataDir, ['serve', '--port', '0', '--data-dir', dataDir]);
  assert.equal(again.code, 65);
  assert.match(again.stderr, /another server has the data folder/);
  const port = new URL(server.url).port;
  const other = await tidepool(dataDir, ['serve', '--port', port, '--data-dir', join(folder.path, 'other')]);
  assert.equal(other.code, 65);
  assert.match(other.stderr, /it is taken/);
});
