import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../domain/errors.ts';
import { FakeClock } from '../../fake/clock.ts';
import { FrameDecoder } from '../../protocol/output-frames.ts';
import { OutputRing } from './output-ring.ts';

function texts(bytes: Uint8Array): string[] {
  return new FrameDecoder().push(bytes).map(({ stream, data }) => `${stream}: ${Buffer.from(data).toString()}`);
}

test('output comes back as frames, and from any offset', async () => {
  const ring = new OutputRing(new FakeClock());
  await ring.append('stdout', Buffer.from('one'));
  await ring.append('stderr', Buffer.from('two'));
  ring.notice('three');
  const whole = ring.read(0);
  assert.deepEqual(texts(whole.bytes), ['stdout: one', 'stderr: two', 'notice: three\n']);
  const rest = ring.read(5);
  assert.equal(rest.offset, 5);
  assert.deepEqual(rest.bytes, whole.bytes.subarray(5));
  assert.equal(ring.read(whole.bytes.length).bytes.length, 0);
  assert.throws(
    () => ring.read(whole.bytes.length + 1),
    (error) => hasCode(error, 'invalid'),
  );
});

test('only the newest is kept, in whole frames, and an older offset goes on at the oldest', async () => {
  const clock = new FakeClock();
  const ring = new OutputRing(clock);
  for (let count = 0; count < 3_000; count += 1) {
    void ring.append('stdout', Buffer.alloc(1_000, count % 10));
    await clock.advance(10);
  }
  const { offset, bytes } = ring.read(0);
  assert.equal(offset + bytes.length, 3_000 * 1_011);
  assert.ok(bytes.length <= 1024 * 1024 && bytes.length > 1_000_000);
  assert.equal(new FrameDecoder().push(bytes).length * 1_011, bytes.length);
});

test('single bytes do not make more frames than are kept', async () => {
  const ring = new OutputRing(new FakeClock());
  for (let count = 0; count < 20_000; count += 1) await ring.append('stdout', Buffer.from('x'));
  assert.ok(new FrameDecoder().push(ring.read(0).bytes).length <= 8_192);
});

test('a flood is held back, other output is not', async () => {
  const clock = new FakeClock();
  const ring = new OutputRing(clock);
  const isDone = async (promise: Promise<void>): Promise<boolean> => {
    let done = false;
    void promise.then(() => {
      done = true;
    });
    await clock.advance(0);
    return done;
  };
  assert.equal(await isDone(ring.append('stdout', Buffer.alloc(1_000_000))), true);
  const second = ring.append('stdout', Buffer.alloc(1_000_000));
  assert.equal(await isDone(second), false);
  await clock.advance(1_000);
  assert.equal(await isDone(second), true);
  assert.equal(await isDone(ring.append('stdout', Buffer.from('x'))), true);
});

test('the last lines are those of stderr, if there are any', async () => {
  const ring = new OutputRing(new FakeClock());
  await ring.append('stdout', Buffer.from('out'));
  assert.equal(ring.tail(100), 'out');
  await ring.append('stderr', Buffer.from('first\n'));
  await ring.append('stdout', Buffer.from('out'));
  await ring.append('stderr', Buffer.from('last\n'));
  ring.notice('ours');
  assert.equal(ring.tail(100), 'first\nlast\n');
  assert.equal(ring.tail(8), 'st\nlast\n');
});
