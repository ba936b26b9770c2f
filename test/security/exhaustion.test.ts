import assert from 'node:assert/strict';
import { againstOneVm } from './sandbox-vm.ts';

// Jobs that use up what there is: each ends in a clear outcome, the agent answers meanwhile, the next job runs.

const MiB = 1024 * 1024;

againstOneVm([
  {
    title: 'memory bomb',
    script: 'memory_bomb.py',
    check: ({ report }) => {
      assert.deepEqual([report.outcome, report.limitsHit, report.signal], ['out_of_memory', ['memory'], 9]);
      assert.ok(report.peakMemoryBytes !== null && report.peakMemoryBytes <= 128 * MiB);
    },
  },
  {
    title: 'memory bomb as large as all jobs may be together',
    script: 'memory_bomb.py',
    limits: { memoryBytes: 64 * 1024 * MiB },
    check: ({ report }) => assert.equal(report.outcome, 'out_of_memory'),
  },
  {
    title: 'files in /tmp count as memory',
    script: 'tmp_bomb.py',
    check: ({ report }) => assert.equal(report.outcome, 'out_of_memory'),
  },
  {
    title: 'fork bomb',
    script: 'fork_bomb.py',
    check: ({ report, stdout }) => {
      assert.match(stdout, /Resource temporarily unavailable/);
      assert.ok(report.limitsHit.includes('processes'), JSON.stringify(report));
      assert.equal(report.exitCode, 5);
    },
  },
  {
    title: 'thread bomb',
    script: 'thread_bomb.py',
    check: ({ report, stdout }) => {
      assert.equal(stdout, "can't start new thread\n");
      assert.deepEqual([report.outcome, report.limitsHit], ['succeeded', ['processes']]);
    },
  },
  {
    title: 'one process is all that it asked for',
    script: "import os\nprint('one')\nos.fork()\n",
    limits: { processes: 1 },
    check: ({ report, stdout }) => {
      assert.deepEqual([stdout, report.outcome, report.limitsHit], ['one\n', 'failed', ['processes']]);
    },
  },
  {
    title: 'endless output',
    script: 'endless_output.py',
    stopAt: 'the output limit was reached',
    check: ({ report, stdout, stderr, notice }) => {
      assert.deepEqual([report.outcome, report.limitsHit], ['stopped', ['output']]);
      assert.equal(stdout.length + stderr.length, MiB);
      assert.equal(notice.trim().split('\n').length, 1);
    },
  },
  {
    title: 'output of single bytes does not grow the log without end',
    script: 'single_bytes.py',
    limits: { outputBytes: 64 * 1024 },
    check: ({ report, stdout }) => {
      assert.equal(report.outcome, 'succeeded');
      assert.ok(report.outputLogBytes <= 256 * 1024, `${report.outputLogBytes}`);
      assert.ok(stdout.length > 5_000);
    },
  },
  {
    title: 'all CPUs busy from many processes, TERM or not',
    script: 'cpu_burn.py',
    limits: { timeoutMs: 4_000 },
    check: ({ report }) => assert.deepEqual([report.outcome, report.limitsHit], ['timed_out', ['time']]),
  },
  {
    title: 'a fraction of a CPU is all that it gets',
    script: 'cpu_burn.py',
    limits: { timeoutMs: 4_000, cpus: 0.2 },
    check: ({ report: { cpuMs, wallMs } }) =>
      assert.ok(cpuMs !== null && wallMs !== null && cpuMs < wallMs / 2, `${cpuMs} ms of ${wallMs} ms`),
  },
  {
    title: 'endless sleep',
    script: "import time\nprint('begun', flush=True)\ntime.sleep(1e6)\n",
    limits: { timeoutMs: 1_000 },
    check: ({ report, stdout }) => {
      assert.equal(report.outcome, 'timed_out');
      // A script that has not begun within its time has nothing to put in order, and is killed.
      assert.ok(report.signal === 15 || (report.signal === 9 && stdout === ''), JSON.stringify(report));
      // A timer may be some milliseconds early by the clock.
      assert.ok(report.wallMs !== null && report.wallMs >= 900, `${report.wallMs} ms`);
    },
  },
  {
    title: 'disk fill',
    script: 'disk_fill.py',
    limits: { diskBytes: 16 * MiB },
    check: ({ report, stdout }) => {
      assert.match(stdout, /Disk quota exceeded|No space left/);
      assert.deepEqual([report.outcome, report.exitCode, report.limitsHit], ['failed', 1, ['disk']]);
      assert.match(report.message, /disk limit/);
    },
  },
  {
    title: 'inode fill',
    script: 'inode_fill.py',
    check: ({ report, stdout }) => {
      assert.match(stdout, /(Disk quota exceeded|No space left on device) True/);
      assert.deepEqual([report.outcome, report.limitsHit], ['failed', ['disk']]);
    },
  },
  {
    title: 'folders nested deeper than a path can name',
    script: 'deep_folders.py',
    check: ({ report }) => assert.equal(report.outcome, 'succeeded'),
  },
  {
    title: 'ignores TERM and all other signals, and daemonises',
    script: 'daemoniser.py',
    stopAt: 'started\n',
    check: ({ report, stdout }) => {
      assert.deepEqual([stdout, report.outcome, report.signal], ['started\n', 'stopped', 9]);
    },
  },
  {
    title: 'leaves a daemon behind',
    script: 'leaves_daemon.py',
    check: ({ report, stdout }) => assert.deepEqual([stdout, report.outcome], ['done\n', 'succeeded']),
  },
  {
    title: 'kills all that it can',
    script: 'kill_all.py',
    check: ({ report, stdout }) => {
      assert.match(stdout, /^before\n/);
      assert.ok(report.outcome === 'failed' || report.outcome === 'succeeded', JSON.stringify(report));
    },
  },
]);
