import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { type DeployOptions, deploymentOf } from './service-deploy.ts';

const plain: DeployOptions = { wait: true };

test('a handler: its service is named like the file, and what is not given is left to the server', () => {
  const { spec, files } = deploymentOf(['examples/Prime_Test.py'], plain);
  assert.deepEqual(files, ['examples/Prime_Test.py']);
  assert.deepEqual(spec, {
    name: 'prime-test',
    entry: { kind: 'handler', file: 'Prime_Test.py' },
    settings: {},
    environment: {},
  });
});

test('every option has its place', () => {
  const { spec } = deploymentOf(['fib.py'], {
    ...{ ...plain, name: 'fib', runtime: 'ml', protocol: 'tcp', port: '8123', flavor: 'large', processes: '3' },
    ...{ min: '1', max: '4', warm: '2', policy: ['target', 'backlog'], env: ['A=1', 'B=x=y'] },
    ...{ timeout: '2m', maxBody: '3M' },
  });
  assert.deepEqual(spec, {
    ...{ name: 'fib', runtime: 'ml', protocol: 'tcp', port: 8_123, flavor: 'large', processes: 3 },
    entry: { kind: 'handler', file: 'fib.py' },
    settings: { min: 1, max: 4, warm: 2, policies: ['target', 'backlog'] },
    environment: { A: '1', B: 'x=y' },
    requestTimeoutMs: 120_000,
    maxBodyBytes: 3 * 1024 ** 2,
  });
});

test('a program of its own, with the files beside it', () => {
  const options = { ...plain, command: true, name: 'web', file: ['a/server.py', 'data.json'] };
  const { spec, files } = deploymentOf(['python3', 'server.py', '--port', '$PORT'], options);
  assert.deepEqual(spec.entry, { kind: 'command', argv: ['python3', 'server.py', '--port', '$PORT'] });
  assert.deepEqual(files, ['a/server.py', 'data.json']);
});

test('what cannot be is refused in words', () => {
  const cases: readonly [string[], Partial<DeployOptions>, RegExp][] = [
    [[], {}, /name the Python file/],
    [['a.py', 'b.py'], {}, /not also b\.py/],
    [['9.py'], {}, /9\.py is no name for a service; give one by --name/],
    [['a.py'], { port: '80x' }, /--port must be a whole number/],
    [['a.py'], { min: '-1' }, /--min must be a whole number/],
    [['a.py'], { protocol: 'sctp' }, /--protocol sctp is none of http, tcp, udp/],
    [['a.py'], { env: ['A'] }, /--env A is not of the form/],
    [['a.py'], { timeout: 'soon' }, /is not a time/],
    [['a.py'], { maxBody: 'big' }, /is not a size/],
    [[], { command: true, name: 'web' }, /the command is missing/],
    [['python3'], { command: true }, /needs a name for its service/],
  ];
  for (const [args, options, words] of cases)
    assert.throws(
      () => deploymentOf(args, { ...plain, ...options }),
      (error) => hasCode(error, 'invalid') && words.test(error.message),
    );
});
