import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidepoolError } from '../domain/errors.ts';
import { memoryEvents } from './cgroup.ts';
import { endingOf, endWithoutStart, exitOf, lapsedFacts, type RunFacts } from './outcome.ts';

const quiet = { cpuMs: 1, peakMemoryBytes: 1, memoryLimitHit: false, killedForOthers: false, processLimitHit: false };

function facts(fields: Partial<Omit<RunFacts, 'usage'>> & { usage?: Partial<RunFacts['usage']> } = {}): RunFacts {
  return {
    crunExitCode: 0,
    isStarted: true,
    status: '\n',
    crunLog: '',
    stopReason: null,
    isDiskFull: false,
    isOutputTruncated: false,
    ...fields,
    usage: { ...quiet, ...fields.usage },
  };
}

test('exit codes and signals are told apart', () => {
  assert.deepEqual(exitOf(0, '\n'), { exitCode: 0, signal: null });
  assert.deepEqual(exitOf(137, 'Command exited with non-zero status 137\n\n'), { exitCode: 137, signal: null });
  assert.deepEqual(exitOf(9, 'Command terminated by signal 9\n\n'), { exitCode: null, signal: 9 });
  assert.deepEqual(exitOf(137, ''), { exitCode: null, signal: 9 }, 'the container was killed with its init');
  assert.deepEqual(exitOf(null, ''), { exitCode: null, signal: 9 }, 'crun was killed too');
});

test('success and failure', () => {
  assert.equal(endingOf(facts()).outcome, 'succeeded');
  const failed = endingOf(facts({ crunExitCode: 3, status: 'Command exited with non-zero status 3\n\n' }));
  assert.deepEqual([failed.outcome, failed.exitCode, failed.message], ['failed', 3, '']);
});

test('the memory limit is the outcome, unless the script came through', () => {
  const killed = endingOf(facts({ crunExitCode: 137, status: '', usage: { memoryLimitHit: true } }));
  assert.deepEqual([killed.outcome, killed.signal, killed.limitsHit], ['out_of_memory', 9, ['memory']]);
  assert.equal(endingOf(facts({ usage: { memoryLimitHit: true } })).outcome, 'succeeded');
});

test('who stopped it comes before how it ended', () => {
  const killed = { crunExitCode: 137, status: '', usage: { memoryLimitHit: true } };
  assert.equal(endingOf(facts({ ...killed, stopReason: 'stopped' })).outcome, 'stopped');
  const timedOut = endingOf(facts({ ...killed, stopReason: 'timed_out' }));
  assert.deepEqual([timedOut.outcome, timedOut.limitsHit], ['timed_out', ['memory', 'time']]);
});

test('a container that the worker could not make is lost by the worker, whatever crun says', () => {
  const cases: Partial<RunFacts>[] = [
    { crunExitCode: 1, crunLog: 'mount `proc` to `proc`: Operation not permitted' },
    { crunExitCode: 1, crunLog: 'write to `/proc/1/uid_map`: Invalid argument' },
    { crunExitCode: 1, crunLog: 'clone: Cannot allocate memory' },
    { crunExitCode: 1, crunLog: 'open `/runtimes/python`: Input/output error' },
    { crunExitCode: 1, crunLog: 'create `/run/tidepool/crun/attempt-1`: No space left on device' },
    { crunExitCode: 125, crunLog: 'launcher: 28: echo: echo: I/O error' },
    { crunExitCode: 127, crunLog: '' },
    { crunExitCode: 137, crunLog: '' },
    { crunExitCode: null, crunLog: '' },
    // It failed when its first process was there already.
    { crunExitCode: 1, crunLog: 'mount `/work`: Operation not permitted', isStarted: true },
  ];
  for (const one of cases) {
    const ending = endingOf(facts({ status: '', isStarted: false, ...one }));
    assert.deepEqual([ending.outcome, ending.fault], ['lost', 'worker'], JSON.stringify(one));
    assert.ok(ending.message.includes(one.crunLog ?? ''), ending.message);
  }
});

test('a container that the job or its image makes impossible is the job’s failure', () => {
  const cases: [Partial<RunFacts>, RegExp][] = [
    [{ crunLog: 'exec `/dev/busybox`: Argument list too long' }, /arguments and environment are too long/],
    [{ crunLog: 'mkdir `/work`: Read-only file system' }, /its image cannot be the root/],
    [{ crunLog: 'open `/tmp`: Not a directory' }, /its image cannot be the root/],
    [{ crunLog: 'clone: Resource temporarily unavailable', usage: { ...quiet, processLimitHit: true } }, /processes/],
  ];
  for (const [one, says] of cases) {
    const ending = endingOf(facts({ crunExitCode: 1, status: '', isStarted: false, ...one }));
    assert.deepEqual([ending.outcome, ending.fault], ['failed', null], JSON.stringify(one));
    assert.match(ending.message, says);
  }
});

test('a command that is not there or cannot be executed is the job’s failure: its container ran', () => {
  for (const code of [126, 127]) {
    const status = `Command exited with non-zero status ${code}\n\n`;
    const ending = endingOf(facts({ crunExitCode: code, status }));
    assert.deepEqual([ending.outcome, ending.fault, ending.exitCode], ['failed', null, code]);
  }
});

test('a job that reads away how it ended, or ends its init, has failed and is not the worker’s loss', () => {
  for (const crunExitCode of [0, 1, 125, 127, 137, 139]) {
    const ending = endingOf(facts({ crunExitCode, status: '' }));
    assert.deepEqual([ending.outcome, ending.fault], ['failed', null], `${crunExitCode}`);
  }
});

test('memory that ran out above the attempt is the worker’s loss, at its own limit the job’s', () => {
  const events = (oom: number, kills: number, peakBytes = 100, limits = ['1000\n', '4000\n']) =>
    memoryEvents(`low 0\nhigh 0\nmax 9\noom ${oom}\noom_kill ${kills}\n`, peakBytes, limits);
  assert.deepEqual(events(0, 0), { memoryLimitHit: false, killedForOthers: false });
  assert.deepEqual(events(1, 0), { memoryLimitHit: false, killedForOthers: false });
  assert.deepEqual(events(1, 3), { memoryLimitHit: true, killedForOthers: false });
  assert.deepEqual(events(0, 1), { memoryLimitHit: false, killedForOthers: true });
  // It used up what all jobs have together, before it came to its own limit.
  assert.deepEqual(events(0, 1, 3_900, ['64000\n', '4000\n']), { memoryLimitHit: true, killedForOthers: false });
  assert.deepEqual(events(0, 1, 950), { memoryLimitHit: true, killedForOthers: false });
  assert.deepEqual(events(0, 1, 5_000, ['max\n', 'max\n']), { memoryLimitHit: false, killedForOthers: true });
  const killed = { crunExitCode: 137, status: '', isStarted: true };
  const lost = endingOf(facts({ ...killed, usage: { killedForOthers: true } }));
  assert.deepEqual([lost.outcome, lost.fault], ['lost', 'worker']);
  const byInit = { crunExitCode: 9, status: 'Command terminated by signal 9\n\n' };
  assert.equal(endingOf(facts({ ...byInit, usage: { killedForOthers: true } })).outcome, 'lost');
  assert.equal(endingOf(facts({ usage: { killedForOthers: true } })).outcome, 'succeeded');
});

test('an attempt that its worker may not run any more is lost, unless it had been stopped', () => {
  const lapsed = endingOf(facts({ crunExitCode: 137, status: '', stopReason: 'lapsed' }));
  assert.deepEqual([lapsed.outcome, lapsed.fault], ['lost', 'worker']);
  assert.match(lapsed.message, /heard nothing from the control plane/);
});

test('files that are not taken in: whose fault it is', () => {
  const cases: [unknown, string, string | null][] = [
    [new TidepoolError('aborted', 'the connection broke'), 'lost', 'transfer'],
    [new TidepoolError('internal', 'ENOSPC'), 'lost', 'worker'],
    [Object.assign(new TypeError('EROFS'), { code: 'EROFS' }), 'lost', 'worker'],
    [new TidepoolError('too_large', 'more than its disk limit'), 'failed', null],
    [new TidepoolError('invalid', 'x.py is not among the files'), 'failed', null],
  ];
  for (const [error, outcome, fault] of cases) {
    const [ending, fields] = endWithoutStart(error, false);
    assert.deepEqual([ending, fields.fault ?? null], [outcome, fault], String(error));
    assert.equal(endWithoutStart(error, true)[0], 'stopped');
  }
  assert.deepEqual(endWithoutStart(new TidepoolError('too_large', ''), false)[1].limitsHit, ['disk']);
});

test('a failure at a limit says so', () => {
  const failed = { crunExitCode: 1, status: 'Command exited with non-zero status 1\n' };
  assert.match(endingOf(facts({ ...failed, isDiskFull: true })).message, /disk limit/);
  assert.match(endingOf(facts({ ...failed, usage: { processLimitHit: true } })).message, /limit of processes/);
  assert.deepEqual(endingOf(facts({ isOutputTruncated: true, isDiskFull: true })).limitsHit, ['disk', 'output']);
});

test('what the watchdog ended is lost by the worker, and nothing else is because the permission ran out', () => {
  const killed = facts({ crunExitCode: 137, status: '' });
  const outcome = (one: RunFacts, hasLapsed: boolean): string => endingOf(lapsedFacts(one, hasLapsed)).outcome;
  assert.deepEqual([outcome(killed, true), outcome(killed, false)], ['lost', 'failed']);
  assert.equal(outcome(facts(), true), 'succeeded');
  assert.equal(outcome({ ...killed, stopReason: 'stopped' }, true), 'stopped');
});
