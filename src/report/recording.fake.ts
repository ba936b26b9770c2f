import {
  type DecisionLine,
  type EventLine,
  type RecordingLine,
  type RequestOutcome,
  type RequestsLine,
  requestOutcomes,
  type SampleLine,
} from '../protocol/recording.ts';

/** When the fake recording begins. */
export const fakeStartMs = Date.UTC(2026, 0, 1, 12, 0, 0);

const atSecond = (second: number): number => fakeStartMs + second * 1_000;

/** A minute of a pool that grows from 1 to 2 after 10 s, loses a VM after 30 s and has it again after 40 s. */
export function fakeRecording(pool = 'default'): RecordingLine[] {
  const lines: RecordingLine[] = [
    {
      type: 'header',
      format: 'tidepool-recording',
      version: 1,
      atMs: fakeStartMs,
      server: 'http://127.0.0.1:3000',
      intervalMs: 1_000,
    },
    fakeDecision(pool, 0, 'none'),
  ];
  for (let second = 0; second < 60; second += 1) lines.push(fakeSample(pool, second));
  const events: [number, string, string][] = [
    [10, 'vm.launching', 'launching'],
    [20, 'vm.launched', 'ready after 10000 ms'],
    [30, 'vm.failed', 'failed: <crashed> & "gone"'],
    [31, 'vm.removed', 'removed'],
    [32, 'vm.launching', 'launching'],
    [40, 'vm.launched', 'ready after 8000 ms'],
  ];
  for (const [second, name, text] of events) lines.push(fakeEvent(pool, second, name, text));
  return [...lines, fakeDecision(pool, 10, 'out')];
}

function fakeSample(pool: string, second: number): SampleLine {
  const ready = second < 20 || (second >= 30 && second < 40) ? 1 : 2;
  const counts = { desired: second < 10 ? 1 : 2, ready, warm: 0, booting: 0, draining: 0, failed: 0 };
  const use = {
    memoryBytes: 1_000 + second,
    diskReadBytesPerSecond: 0,
    diskWriteBytesPerSecond: 0,
    networkReceiveBytesPerSecond: 0,
    networkTransmitBytesPerSecond: 0,
  };
  const samples = [{ atMs: atSecond(second), cpu: second < 20 ? 1 : 0.5, ...use }];
  const vms = Array.from({ length: ready }, (_, i) => ({ vm: `${pool}-000${i}`, state: 'ready', samples }));
  return { type: 'sample', atMs: atSecond(second), pool, min: 1, max: 3, counts, queued: second === 15 ? 4 : 0, vms };
}

function fakeDecision(pool: string, second: number, action: 'out' | 'none'): DecisionLine {
  const numbers = { growAbove: 0.8, shrinkBelow: 0.35, windowMs: 5_000 };
  const code = action === 'out' ? 'AboveThreshold' : 'WithinThresholds';
  const reason = { code, text: `CPU is ${action === 'out' ? 'above' : 'within'}`, numbers };
  const desired = action === 'out' ? 2 : 1;
  const recommendations = [{ policy: 'window5-80-35', desired, reason }];
  const atMs = atSecond(second);
  return { type: 'decision', paused: false, pool, atMs, from: 1, desired, action, recommendations, limits: [] };
}

function fakeEvent(pool: string, second: number, name: string, text: string): EventLine {
  return { type: 'event', id: second, atMs: atSecond(second), name, pool, vm: `${pool}-0001`, text, data: {} };
}

/** One request of a load client: when it was due, in seconds after the start, and what became of it. */
export interface FakeRequest {
  readonly second: number;
  readonly tookMs: number;
  readonly server?: string;
  readonly outcome?: RequestOutcome;
}

/** A load client's requests as a line of the recording. */
export function fakeRequests(requests: readonly FakeRequest[], pool = 'default'): RequestsLine {
  const servers = [...new Set(requests.map(({ server = '' }) => server))];
  return {
    type: 'requests',
    atMs: fakeStartMs,
    pool,
    servers,
    dueMs: requests.map(({ second }) => second * 1_000),
    tookMs: requests.map(({ tookMs }) => tookMs),
    server: requests.map(({ server = '' }) => servers.indexOf(server)),
    outcome: requests.map(({ outcome = 'ok' }) => requestOutcomes.indexOf(outcome)),
    omitted: 0,
  };
}
