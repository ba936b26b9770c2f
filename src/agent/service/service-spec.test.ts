import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../../domain/errors.ts';
import { parseServiceSpec } from './service-spec.ts';

const spec = {
  id: 'web-1',
  service: 'web',
  protocol: 'http',
  port: 8001,
  runtime: 'python',
  entry: { kind: 'handler', file: 'app/main.py' },
  environment: { A: 'b' },
  processes: null,
  requestTimeoutMs: 30_000,
  maxBodyBytes: 1_000_000,
};
const command = { ...spec, entry: { kind: 'command', argv: ['sh', '-c', 'exec serve $PORT'] }, processes: 2 };

const isInvalid = (error: unknown): boolean => hasCode(error, 'invalid');

test('right specs are read as they are', () => {
  for (const right of [spec, command]) assert.deepEqual(parseServiceSpec(JSON.stringify(right)), right);
});

test('wrong ones are refused', () => {
  const wrong: Record<string, unknown>[] = [
    { id: '../web-1' },
    { id: 'other-1' },
    { service: 1 },
    { protocol: 'ftp' },
    { port: 9000 },
    { port: '8000' },
    { runtime: '../etc' },
    { entry: null },
    { entry: { kind: 'shell' } },
    { entry: { kind: 'handler', file: '../x.py' } },
    { entry: { kind: 'handler' } },
    { entry: { kind: 'command', argv: [] } },
    { entry: { kind: 'command', argv: ['a\0'] } },
    { environment: { 'A=B': 'c' } },
    { processes: 0 },
    { processes: 1.5 },
    { requestTimeoutMs: 0 },
    { maxBodyBytes: Number.POSITIVE_INFINITY },
  ];
  for (const fields of wrong) {
    const line = JSON.stringify({ ...spec, ...fields });
    assert.throws(() => parseServiceSpec(line), isInvalid, line);
  }
});

test('whatever JSON comes, the answer is a spec or `invalid`', () => {
  fc.assert(
    fc.property(fc.json(), (line) => {
      assert.throws(() => parseServiceSpec(line), isInvalid);
    }),
  );
});
