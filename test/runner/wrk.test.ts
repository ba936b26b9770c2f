import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseWrk } from '../support/wrk.ts';

/** As wrk prints it: units of two letters end their line, and one letter has a space after it. */
const report = (p99: string, more = ''): string => `Running 6s test @ http://127.0.0.1:34051/
  1 threads and 30 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   310.49ms  463.13ms   1.52s    80.13%
    Req/Sec     6.43k     3.47k   11.42k    72.73%
  Latency Distribution
     50%    5.59ms
     75%  583.05ms
     90%    1.14s${' '}
     99%  ${p99}
  14467 requests in 6.47s, 2.12MB read
${more}Requests/sec:   2236.16
Transfer/sec:    336.30KB
`;

test('a report of wrk is read in any of its units', () => {
  const times = { '812.00us': 0.812, '583.05ms': 583.05, '  1.48s ': 1_480, '  2.00m ': 120_000 };
  for (const [p99, p99Ms] of Object.entries(times)) {
    const expected = { requests: 14_467, requestsPerSecond: 2_236.16, p99Ms, failed: 0 };
    assert.deepEqual(parseWrk(report(p99)), expected);
  }
});

test('whatever went wrong has failed', () => {
  const wrong = '  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 5\n';
  assert.equal(parseWrk(report('583.05ms', wrong)).failed, 15);
  assert.throws(() => parseWrk('unable to connect'), /not understood/);
});
