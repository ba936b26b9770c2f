import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { type MessageSpec, messageOf } from './message.ts';

test('what cannot be sent is refused, with what is wrong', () => {
  const refused: [spec: MessageSpec, message: RegExp][] = [
    [{ protocol: 'http', path: '27' }, /does not begin with \//],
    [{ protocol: 'http', path: '/a b' }, /space/],
    [{ protocol: 'http', path: '/a\r\nX-Evil: 1' }, /space/],
    [{ protocol: 'http', path: '/', method: 'HEAD' }, /method HEAD/],
    [{ protocol: 'http', path: '/', method: 'GET /x' }, /method GET/],
    [{ protocol: 'udp', payload: '0x123' }, /even number/],
    [{ protocol: 'udp', payload: '0xhello' }, /even number/],
    [{ protocol: 'udp', payload: 'x'.repeat(70_000) }, /longer than a datagram/],
    [{ protocol: 'tcp', payload: '{random:2-1}' }, /wrong way round/],
  ];
  for (const [spec, message] of refused) {
    assert.throws(
      () => messageOf(spec),
      (error) => hasCode(error, 'invalid') && message.test(error.message),
    );
  }
});

test('only what is the same twice is sent a second time', () => {
  const canRepeat = (method?: string, body?: string): boolean =>
    messageOf({
      protocol: 'http',
      path: '/',
      ...(method === undefined ? {} : { method }),
      ...(body === undefined ? {} : { body }),
    }).canRepeat;
  assert.deepEqual(
    [canRepeat(), canRepeat(undefined, 'x'), canRepeat('PUT', 'x'), canRepeat('PATCH')],
    [true, false, true, false],
  );
  assert.equal(messageOf({ protocol: 'udp' }).canRepeat, false);
});
