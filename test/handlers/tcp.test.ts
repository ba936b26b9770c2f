import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Harness, waitsForGo } from '../support/harness.ts';

/** Handlers that are asked by lines over TCP. */

const maxBodyBytes = 100;
const source = `
from tidepool import Reject, Response

def handler(request):
    line = request.body
    if line == b"slow": wait_for_go()
    if line == b"none": return None
    if line == b"dict": return {"line": "one\\ntwo", "server": request.server, "client": request.client}
    if line == b"raise": raise KeyError("x")
    if line == b"reject": raise Reject("not\\nthis")
    if line == b"two lines": return "a\\nb"
    if line == b"response": return Response("x")
    if line == b"bytes": return b"\\xff"
    return line[::-1]
${waitsForGo}`;
let harness: Harness;
before(async () => {
  harness = await Harness.start(source, {
    protocol: 'tcp',
    environment: { TIDEPOOL_MAX_BODY_BYTES: String(maxBodyBytes) },
    // Who stands still in the middle of a line that is too long gets the answer all the same.
    before: 'import tidepool.stream as s\ns._LINGER_S = 20',
  });
});
after(() => harness[Symbol.asyncDispose]());

test('each line gets a line, in order, on one connection', async () => {
  assert.equal(await harness.exchange('abc\nd e f\r\n\n', true), 'cba\nf e d\n\n');
  assert.equal(await harness.exchange('bytes\nnone\nabc\n', true), '\xff\ncba\n');
  const [line] = (await harness.exchange('dict\n', true)).split('\n');
  assert.deepEqual(JSON.parse(line ?? ''), { line: 'one\ntwo', server: 'vm-1', client: '127.0.0.1' });
});

test('an error is a line too, and the connection goes on', async () => {
  const lines = (await harness.exchange('raise\nreject\ntwo lines\nresponse\nabc\n', true)).split('\n');
  assert.deepEqual(lines.slice(0, 3), [
    'error: the handler raised KeyError',
    'error: not this',
    'error: the handler returned an answer with a line feed, and over tcp an answer is one line',
  ]);
  assert.match(lines[3] ?? '', /^error: the handler returned an object of the type Response/);
  assert.deepEqual(lines.slice(4), ['cba', '']);
});

test('a line that is too long is an error, and ends the connection', async () => {
  assert.equal(await harness.exchange(`${'x'.repeat(maxBodyBytes)}\r\n`, true), `${'x'.repeat(maxBodyBytes)}\n`);
  const error = `error: no end of the line came within ${maxBodyBytes} bytes or in time\n`;
  assert.equal(await harness.exchange(`${'x'.repeat(maxBodyBytes + 1)}\nabc\n`), error);
  assert.equal(await harness.exchange('x'.repeat(500_000)), error);
});

test('what is no whole line gets no answer', async () => {
  assert.equal(await harness.exchange('abc\nde', true), 'cba\n');
});

test('a slow line does not hold up another connection', async () => {
  const slow = harness.exchange('slow\n', true);
  await harness.until(({ inFlight }) => inFlight === 1);
  assert.equal(await harness.exchange('abc\n', true), 'cba\n');
  await harness.letGo();
  assert.equal(await slow, 'wols\n');
});

test('random bytes harm nothing', async () => {
  const inputs = Array.from({ length: 100 }, (_, index) => randomBytes(index * 7));
  const sent = async (input: Buffer) => {
    try {
      await harness.exchange(input, true);
    } catch (error) {
      throw new Error(`after ${input.toString('hex')}`, { cause: error });
    }
  };
  await Promise.all(inputs.map(sent));
  assert.equal(await harness.exchange('abc\n', true), 'cba\n');
  assert.equal((await harness.status())?.restarts, 0);
});
