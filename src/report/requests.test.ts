import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { recordingLineSchema } from '../protocol/recording.ts';
import { toHistory } from './history.ts';
import { reportPage, reportSvg } from './page.ts';
import { type FakeRequest, fakeRecording, fakeRequests, fakeStartMs } from './recording.fake.ts';
import { type Mark, thinMarks } from './requests.ts';
import { summarize } from './summary.ts';

const requests: FakeRequest[] = [
  { second: 1, tookMs: 10, server: 'default-0000' },
  { second: 2, tookMs: 20, server: 'default-0000' },
  { second: 30, tookMs: 30, server: 'default-0001' },
  { second: 31, tookMs: 10_000, server: 'default-0001', outcome: 'timeout' },
  { second: 70, tookMs: 0, outcome: 'dropped' },
];
const recording = [...fakeRecording(), fakeRequests(requests)];

test('the summary counts requests by how they ended and by who answered', () => {
  const [pool] = summarize(toHistory(recording)).pools;
  assert.deepEqual(pool?.requests, {
    count: 5,
    ok: 3,
    failed: { timeout: 1, dropped: 1 },
    omitted: 0,
    tookMs: { p50: 20, p90: 10_000, p99: 10_000, max: 10_000 },
    servers: [
      { server: 'default-0000', count: 2, failed: 0, tookMs: { p50: 10, p90: 20, p99: 20, max: 20 } },
      { server: 'default-0001', count: 2, failed: 1, tookMs: { p50: 30, p90: 10_000, p99: 10_000, max: 10_000 } },
    ],
  });
  assert.equal(summarize(toHistory(fakeRecording())).pools[0]?.requests, undefined);
});

test('requests lengthen the time that a recording is about', () => {
  assert.equal(toHistory(recording).untilMs, fakeStartMs + 70_000);
});

test('plot and page show them, in the colours that their VMs have in the other panels', () => {
  const history = toHistory(recording);
  const svg = reportSvg(history);
  assert.ok(svg.includes('>Response time per request (5 requests)<'));
  assert.ok(svg.includes('>Requests per second<'));
  assert.ok(svg.includes('>failed<'));
  assert.ok(!reportSvg(toHistory(fakeRecording())).includes('Response time'));
  const page = reportPage(history, summarize(history), []);
  assert.match(page, /5 requests: 3 ok, 2 failed \(1 timeout, 1 dropped\)/);
  assert.match(page, /<td>default-0001<\/td><td class="n">2<\/td><td class="n">1<\/td>/);
});

test('a server whose name is markup is shown as text', () => {
  const history = toHistory([...fakeRecording(), fakeRequests([{ second: 1, tookMs: 1, server: '<script>x' }])]);
  assert.doesNotMatch(reportPage(history, summarize(history), []), /<script>x/);
  assert.doesNotMatch(reportSvg(history), /<script>x/);
});

test('a load without VMs in the recording is drawn too, and one of a single request', () => {
  const [header] = fakeRecording();
  assert.ok(header !== undefined);
  const history = toHistory([header, fakeRequests([{ second: 1, tookMs: 1 }])]);
  assert.match(reportSvg(history), />Response time per request \(1 request\)</);
});

test('very many requests are drawn with a bounded number of marks, outliers among them', () => {
  const many = Array.from({ length: 100_000 }, (_, i): FakeRequest => ({ second: i / 2_000, tookMs: 5 + (i % 97) }));
  const outliers = [3, 17, 33].map((second): FakeRequest => ({ second, tookMs: 4_321 }));
  const svg = reportSvg(toHistory([...fakeRecording(), fakeRequests([...many, ...outliers])]));
  assert.ok(svg.length < 1_500_000, `${svg.length} bytes`);
  assert.match(svg, /a mark stands for all within \d+ × \d+ pixels/);
});

test('each request has a mark within a cell of where it is, and none is shorter than what it stands for', () => {
  const frame = { fromMs: 0, untilMs: 60_000, leastTookMs: 1, mostTookMs: 10_000, widthPixels: 900, heightPixels: 240 };
  const mark = fc.record({
    atMs: fc.double({ min: 0, max: 60_000, noNaN: true }),
    tookMs: fc.double({ min: 1, max: 10_000, noNaN: true }),
  });
  const pixels = ({ atMs, tookMs }: Mark) => ({ x: (atMs / 60_000) * 900, y: (Math.log10(tookMs) / 4) * 240 });
  fc.assert(
    fc.property(fc.array(mark, { minLength: 1, maxLength: 300 }), fc.integer({ min: 20, max: 400 }), (all, most) => {
      const { marks, cellPixels } = thinMarks(
        (draw) => {
          for (const { atMs, tookMs } of all) draw('vm', atMs, tookMs);
        },
        frame,
        most,
      );
      const drawn = marks.get('vm') ?? [];
      assert.ok(drawn.length <= most);
      for (const one of all) {
        const at = pixels(one);
        const isShown = drawn.some((other) => {
          const { x, y } = pixels(other);
          return Math.abs(x - at.x) <= cellPixels && y - at.y <= cellPixels && other.tookMs >= one.tookMs;
        });
        assert.ok(isShown, JSON.stringify({ one, cellPixels }));
      }
    }),
    { numRuns: 60 },
  );
});

test('columns that do not belong together are refused', () => {
  const line = fakeRequests(requests);
  for (const broken of [
    { ...line, tookMs: [1] },
    { ...line, server: line.server.map(() => 7) },
    { ...line, outcome: line.outcome.map(() => 99) },
    { ...line, dueMs: ['a', 1, 1, 1, 1] },
  ]) {
    assert.equal(recordingLineSchema.safeParse(broken).success, false);
  }
  assert.equal(recordingLineSchema.safeParse(line).success, true);
});
