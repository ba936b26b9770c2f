import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, errorCodes, TidepoolError } from '../domain/errors.ts';
import { newReport } from '../protocol/agent.ts';
import type { FileEntry } from '../protocol/file-stream.ts';
import { OwnParts, OwnTrouble, own } from '../reconcile/own-trouble.ts';
import { faultOf, faultOfReport, isFree, triesOf } from './fault.ts';

test('what fails of ours is never the worker’s or the job’s, whatever its code', async () => {
  const codes = Object.keys(errorCodes) as ErrorCode[];
  for (const error of [new RangeError('a mistake'), ...codes.map((code) => new TidepoolError(code, 'no'))]) {
    const thrown = await own(() => Promise.reject(error)).catch((one: unknown) => one);
    assert.ok(thrown instanceof OwnTrouble);
    assert.deepEqual(faultOf(thrown), { of: 'ours', consequence: 'wait', message: error.message });
  }
  assert.equal(faultOf(new TypeError('x is undefined')).of, 'ours', 'a mistake in Tidepool');
});

test('an agent that cannot be reached is asked again; one that answers otherwise than it should is not', () => {
  const consequences = Object.fromEntries(
    (Object.keys(errorCodes) as ErrorCode[]).map((code) => [code, faultOf(new TidepoolError(code, 'no')).consequence]),
  );
  const asked = ['aborted', 'timeout', 'unavailable'];
  for (const [code, consequence] of Object.entries(consequences)) {
    assert.equal(consequence, asked.includes(code) ? 'ask_again' : 'give_back', code);
  }
});

test('a refusal of what the job brings is no strike against its worker', () => {
  const isStrike = (code: ErrorCode) => {
    const fault = faultOf(new TidepoolError(code, 'no'));
    return fault.consequence === 'give_back' && fault.isStrike;
  };
  assert.deepEqual([isStrike('too_large'), isStrike('invalid'), isStrike('internal')], [false, false, true]);
});

test('a report says by its outcome whose fault it is', () => {
  const ended = { ...newReport('job-1'), state: 'ended' as const };
  for (const outcome of ['succeeded', 'failed', 'rejected', 'timed_out', 'out_of_memory', 'stopped'] as const) {
    assert.equal(faultOfReport({ ...ended, outcome }).of, 'job');
  }
  const lost = { ...ended, outcome: 'lost' as const };
  assert.equal(faultOfReport({ ...lost, fault: 'transfer' }).consequence, 'send_again');
  assert.deepEqual(faultOfReport({ ...lost, fault: 'transfer' }, true), {
    of: 'ours',
    consequence: 'send_anew',
    message: '',
  });
  assert.equal(faultOfReport({ ...lost, fault: 'worker' }).consequence, 'give_back');
  assert.equal(faultOfReport({ ...lost, fault: 'worker' }, true).consequence, 'give_back');
  assert.equal(faultOfReport(lost).consequence, 'give_back');
});

test('attempts that did not start do not count as tries, but only a bounded number of them', () => {
  const notStarted = Array.from({ length: 9 }, () => ({ outcome: 'not_started', vmName: 'default-0000' }));
  const vmName = 'default-0001';
  const started = [
    { outcome: 'worker_fault', vmName },
    { outcome: null, vmName },
  ];
  assert.equal(triesOf([...notStarted, ...started]), 2);
  assert.equal(isFree(notStarted), true);
  assert.equal(isFree([...notStarted, { outcome: 'not_started' }]), false);
});

test('what one machine that joined could not run counts as one try, up to ten times', () => {
  const on = (vmName: string, times: number) =>
    Array.from({ length: times }, () => ({ outcome: 'worker_fault', vmName }));
  assert.equal(triesOf([...on('joined-lab', 2), { outcome: null, vmName: 'joined-lab' }]), 1);
  assert.equal(triesOf([...on('joined-lab', 2), ...on('joined-spare', 2), { outcome: null, vmName: 'joined-lab' }]), 2);
  assert.equal(triesOf(on('joined-lab', 12)), 3);
  // Names of VMs are given again: each of these was another VM.
  assert.equal(triesOf(on('default-0001', 3)), 3);
});

test('what failed inside a call is found, though the call fails by something else', async () => {
  const parts = new OwnParts();
  async function* script(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(1);
    throw new Error('EIO: i/o error, read');
  }
  const call = async (): Promise<void> => {
    try {
      for await (const _ of parts.stream(script()));
    } catch {
      throw new TidepoolError('unavailable', 'the connection was closed');
    }
  };
  await assert.rejects(parts.call(call), (error) => error instanceof OwnTrouble && /EIO/.test(error.message));
  const other = new OwnParts();
  await assert.rejects(
    other.call(async () => Promise.reject(new TidepoolError('unavailable', 'gone'))),
    (error) => !(error instanceof OwnTrouble),
  );
});

test('of content that a worker sends, a break is the worker’s and a full disk ours', async () => {
  async function* cut(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(1);
    throw new TidepoolError('unavailable', 'the connection was closed');
  }
  const readAll = async (content: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const _ of content);
  };
  await assert.rejects(new OwnParts().take(cut(), readAll), (error) => !(error instanceof OwnTrouble));
  const full = async (): Promise<void> => Promise.reject(new Error('ENOSPC'));
  await assert.rejects(new OwnParts().take(cut(), full), OwnTrouble);
});

test('a file of ours that is not as long as it should be is trouble of ours, before its end is sent', async () => {
  for (const size of [0, 2, 4]) {
    const parts = new OwnParts();
    async function* files(): AsyncGenerator<FileEntry> {
      yield { path: 'x.py', size, content: [Buffer.from('abc')] as unknown as FileEntry['content'] };
    }
    const send = async (): Promise<void> => {
      for await (const file of parts.files(files())) for await (const _ of file.content);
    };
    await assert.rejects(parts.call(send), (error) => error instanceof OwnTrouble && /x\.py/.test(error.message));
  }
});
