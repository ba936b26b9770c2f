import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AttemptReport, agentProtocol, newReport } from '../protocol/agent.ts';
import { healthSchema, reportSchema, reportsSchema } from './schemas.ts';

const report: AttemptReport = { ...newReport('job-1'), state: 'running', startedAtMs: 1 };
const health = {
  hostname: 'h',
  version: 'v',
  protocol: agentProtocol,
  bootId: 'b',
  uptimeMs: 1,
  clockMs: 1,
  runtimes: ['python'],
  capacity: { cpus: 1, memoryBytes: 1, diskBytes: 1, slots: 1 },
  runningAttempts: 0,
  isWarmingUp: false,
};

test('a measurement out of its range is unknown, and does not cost the rest of the report', () => {
  const ended = { ...report, state: 'ended', outcome: 'succeeded', exitCode: 0, endedAtMs: 5, wallMs: 4 };
  const cases: [object, object][] = [
    [{ wallMs: -3_600_000 }, { wallMs: null }],
    [
      { startedAtMs: -1, endedAtMs: 'now' },
      { startedAtMs: null, endedAtMs: null },
    ],
    [
      { cpuMs: 1.6, peakMemoryBytes: 1e300 },
      { cpuMs: 2, peakMemoryBytes: null },
    ],
    [
      { exitCode: 256, signal: 'SIGKILL' },
      { exitCode: null, signal: null },
    ],
    [{ outputLogBytes: 1e300, outputTruncated: 1 }, { outputLogBytes: Number.MAX_SAFE_INTEGER }],
    [{ message: 'x'.repeat(10_000) }, { message: 'x'.repeat(4_000) }],
    [{ limitsHit: ['luck', 'disk'] }, { limitsHit: ['disk'] }],
    [{ limitsHit: 'disk' }, { limitsHit: [] }],
    [{ syntaxProblem: 7 }, { syntaxProblem: null }],
    [
      { syntaxProblem: { file: 'x', line: -1 } },
      { syntaxProblem: { file: 'x', line: 1, column: 1, message: '', text: '' } },
    ],
    // There may be files: whoever asks for them finds out.
    [{ producedFiles: -1 }, { producedFiles: 1 }],
    [{ fault: 'worker' }, { fault: null }],
  ];
  for (const [wrong, read] of cases) {
    const answer = { ...ended, ...wrong };
    assert.deepEqual(reportSchema.parse(answer), { ...ended, ...read }, JSON.stringify(wrong).slice(0, 80));
  }
});

test('an end that cannot be read, or a loss without a fault, is the worker’s', () => {
  for (const outcome of ['vanished', null, 'lost']) {
    const answer = { ...report, state: 'ended', outcome };
    const read = reportSchema.parse(answer);
    assert.deepEqual([read.outcome, read.fault], ['lost', 'worker'], `${outcome}`);
    assert.match(read.message, /does not say how it ended/);
  }
  const answer = { ...report, state: 'ended', outcome: 'lost', fault: 'transfer', message: 'cut' };
  const read = reportSchema.parse(answer);
  assert.deepEqual([read.outcome, read.fault, read.message], ['lost', 'transfer', 'cut']);
});

test('one bad report of many, or one bad runtime, is left out', () => {
  assert.deepEqual(reportsSchema.parse([{ ...report, id: '../x' }, report, null]), [report]);
  const names = Array.from({ length: 70 }, (_, index) => `req-${index}`);
  const answer = { ...health, runtimes: ['../x', ...names, 7] };
  assert.deepEqual(healthSchema.parse(answer).runtimes, names);
});

test('an agent from before protocol 1 has all slots, and numbers that are none are 0', () => {
  const { protocol: _protocol, ...old } = health;
  const answer = { ...old, capacity: { cpus: 1, memoryBytes: -1, diskBytes: 'much' }, uptimeMs: -1 };
  const read = healthSchema.parse(answer);
  assert.equal(read.protocol, 0);
  assert.deepEqual(read.capacity, { cpus: 1, memoryBytes: 0, diskBytes: 0, slots: 256 });
  assert.equal(read.uptimeMs, 0);
});
