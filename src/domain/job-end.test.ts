import assert from 'node:assert/strict';
import { test } from 'node:test';
import { queuedJob } from '../fake/job.ts';
import { emptyResult, type JobResult, type JobState } from './job.ts';
import { jobEndText } from './job-end.ts';

function text(state: JobState, result: Partial<JobResult> | null, cancelRequested = false): string {
  const job = queuedJob({ id: 'job', createdAtMs: 1 });
  const limits = { ...job.spec.limits, memoryBytes: 128 * 1024 ** 2, timeoutMs: 1_500 };
  const whole = result === null ? null : { ...emptyResult, ...result };
  return jobEndText({ ...job, state, cancelRequested, result: whole, spec: { ...job.spec, limits } });
}

test('an end says its exit code, its signal by name, or the limit', () => {
  assert.equal(text('failed', { exitCode: 7 }), 'ended with exit code 7');
  assert.equal(text('failed', { signal: 9 }), 'was ended by signal 9 (SIGKILL)');
  assert.equal(text('failed', { signal: 63 }), 'was ended by signal 63');
  assert.equal(text('failed', { message: 'its image lacks a shell' }), 'failed: its image lacks a shell');
  assert.equal(text('out_of_memory', { message: 'it was killed' }), 'was killed at its memory limit of 128 MiB');
  assert.equal(text('timed_out', { message: 'it ran' }), 'was stopped at its time limit of 1.5 s');
  assert.equal(text('succeeded', {}), 'ended with exit code 0');
});

test('a job that goes on says what is done with it', () => {
  assert.equal(text('running', null), 'runs on a worker');
  assert.equal(text('running', null, true), 'is being cancelled');
  assert.equal(text('cancelled', { message: 'its owner asked for it' }, true), 'was cancelled: its owner asked for it');
});
