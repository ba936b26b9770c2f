import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { askByDatagram, Harness, patient, waitsForGo } from '../support/harness.ts';

/** Handlers that are asked by datagrams. */

const source = `
from tidepool import Reject

def handler(request):
    data = request.body
    if data == b"slow": wait_for_go()
    if data == b"late": wait_for_go() or time.sleep(0.5)
    if data == b"none": return None
    if data == b"reject": raise Reject()
    if data == b"raise": return 1 / 0
    if data == b"dict": return {"client": request.client, "server": request.server, "path": request.path}
    if data == b"large": return b"x" * 60_000
    if data == b"too large": return b"x" * 70_000
    if data == b"object": return object()
    return b"<" + data + b">"
${waitsForGo}`;
const silenceMs = 300;
let harness: Harness;
before(async () => {
  harness = await Harness.start(source, { protocol: 'udp', environment: { TIDEPOOL_PROCESSES: '2' } });
});
after(() => harness[Symbol.asyncDispose]());
const ask = (data: string | Uint8Array, limitMs?: number) => askByDatagram(harness.port, Buffer.from(data), limitMs);

test('datagrams of any size are answered', async () => {
  const sizes = [0, 1, 2, 3, 4, 5, 100, 511, 1_000, 1_472, 1_500, 9_000, 65_000];
  for (const size of sizes) {
    const data = randomBytes(size);
    assert.deepEqual(await ask(data), Buffer.concat([Buffer.from('<'), data, Buffer.from('>')]));
  }
  assert.equal((await ask('large'))?.length, 60_000);
  const { client, server, path } = JSON.parse(String(await ask('dict')));
  assert.deepEqual([client, server, path], ['127.0.0.1', 'vm-1', '']);
});

test('nothing is sent for what is dropped or fails, and only what fails counts as an error', async () => {
  const before = (await harness.status())?.errors ?? 0;
  const silent = ['none', 'reject', 'raise', 'object', 'too large'];
  const answers = await Promise.all(silent.map((data) => ask(data, silenceMs)));
  assert.deepEqual(
    answers,
    silent.map(() => undefined),
  );
  const status = await harness.until(({ errors }) => errors === before + 3);
  assert.equal(status.restarts, 0);
  assert.equal(String(await ask('on')), '<on>');
});

test('a slow datagram does not hold up others', async () => {
  const slow = Array.from({ length: 4 }, () => ask('slow'));
  await harness.until(({ inFlight }) => inFlight === 4);
  assert.equal(String(await ask('quick')), '<quick>');
  await harness.letGo();
  assert.deepEqual((await Promise.all(slow)).map(String), ['<slow>', '<slow>', '<slow>', '<slow>']);
});

test('TERM finishes what is in flight', async () => {
  await using own = await Harness.start(source, { protocol: 'udp', before: patient });
  const late = askByDatagram(own.port, Buffer.from('late'));
  await own.until(({ inFlight }) => inFlight === 1);
  own.process.kill('SIGTERM');
  await own.letGo();
  assert.equal(String(await late), '<late>');
  assert.equal(await own.exited, 0);
});
