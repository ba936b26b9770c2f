import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endingOf, exitOf, type RunFacts } from './outcome.ts';

const quiet = { cpuMs: 1, peakMemoryBytes: 1, memoryLimitHit: false, processLimitHit: false };

function facts(fields: Partial<Omit<RunFacts, 'usage'>> & { usage?: Partial<RunFacts['usage']> } = {}): RunFacts {
  return {
    crunExitCode: 0,
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

test('a container that never ran its init failed for a reason of ours, which is told', () => {
  const ending = endingOf(facts({ crunExitCode: 1, status: '', crunLog: 'cannot mount' }));
  assert.deepEqual([ending.outcome, ending.exitCode, ending.signal], ['failed', null, null]);
  assert.match(ending.message, /cannot mount/);
});

test('a failure at a limit says so', () => {
  const failed = { crunExitCode: 1, status: 'Command exited with non-zero status 1\n' };
  assert.match(endingOf(facts({ ...failed, isDiskFull: true })).message, /disk limit/);
  assert.match(endingOf(facts({ ...failed, usage: { processLimitHit: true } })).message, /limit of processes/);
  assert.deepEqual(endingOf(facts({ isOutputTruncated: true, isDiskFull: true })).limitsHit, ['disk', 'output']);
});
