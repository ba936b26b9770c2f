import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from './errors.ts';
import { isLayered, parseRequirements, runtimeOf } from './requirements.ts';

test('names with versions, extras, markers and hashes are read; comments and empty lines are not', () => {
  const hash = `--hash=sha256:${'a'.repeat(64)}`;
  const text = `# what we need\nnumpy\n\nPillow>=9,<10  # pictures\nrequests[security, socks] ~= 2.28\ntomli; python_version < "3.11"\nsix==1.16.0 \\\n  ${hash}\nlocal==1.0+cu118\r\nx (>=1)\n`;
  assert.deepEqual(
    parseRequirements(text).map((line) => line.replace(/\s+/g, ' ')),
    [
      'numpy',
      'Pillow>=9,<10',
      'requests[security, socks] ~= 2.28',
      'tomli; python_version < "3.11"',
      `six==1.16.0 ${hash}`,
      'local==1.0+cu118',
      'x (>=1)',
    ],
  );
  assert.deepEqual(parseRequirements(''), []);
});

test('options, files and URLs are refused with their line', () => {
  const bad = [
    '--index-url http://evil/simple',
    '-e git+https://evil/x',
    '-r other.txt',
    '-c constraints.txt',
    '--no-binary :all:',
    'numpy --no-binary=numpy',
    'numpy --global-option=x',
    'x @ http://evil/x.whl',
    'http://evil/x.whl',
    'git+https://evil/x',
    './x.whl',
    '/etc/passwd',
    'file:///etc/passwd',
    'x; os_name == "a" @ http://evil',
    '$(reboot)',
    'a\\b',
  ];
  for (const line of bad) {
    assert.throws(
      () => parseRequirements(`numpy\n${line}\n`),
      (error) => hasCode(error, 'invalid') && /line 2/.test(error.message),
      line,
    );
  }
  assert.throws(
    () => parseRequirements('a\n'.repeat(501)),
    (error) => hasCode(error, 'invalid'),
  );
});

test('a job with requirements runs in a runtime of its own name, which fits where names must', () => {
  const blob = 'b'.repeat(64);
  assert.equal(runtimeOf({ runtime: 'python', requirementsBlob: null }), 'python');
  const name = runtimeOf({ runtime: 'python', requirementsBlob: blob });
  assert.match(name, /^[a-z0-9][a-z0-9-]{0,15}$/);
  assert.ok(isLayered(name) && !isLayered('python'));
  assert.notEqual(runtimeOf({ runtime: 'ml', requirementsBlob: blob }), name);
});
