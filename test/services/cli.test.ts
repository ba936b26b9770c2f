import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { after, before, test } from 'node:test';
import { ApiClient } from '../../src/cli/client.ts';
import { serviceChange, serviceList, serviceLogs, serviceShow } from '../../src/cli/service.ts';
import { ServiceClient } from '../../src/cli/service-client.ts';
import { type DeployOptions, serviceDeploy } from '../../src/cli/service-deploy.ts';
import { hasCode } from '../../src/domain/errors.ts';
import { openTestWeb, type TestWeb } from '../accounts/server.ts';
import { openTestAccounts, sessionOf } from '../accounts/support.ts';
import { temporaryFolder } from '../support/server.ts';

let web: TestWeb;
let secret: string;
let client: ServiceClient;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
before(async () => {
  web = await openTestWeb(await openTestAccounts());
  secret = await sessionOf(web.accounts, 'admin');
  client = new ServiceClient(new ApiClient({ url: web.url, token: secret }));
  folder = await temporaryFolder('cli');
  await writeFile(join(folder.path, 'fib.py'), 'def handler(request):\n    return 1\n');
  await writeFile(join(folder.path, 'bad.py'), "raise ImportError('no module named nonsense')\n");
  await writeFile(join(folder.path, 'big.py'), 'x'.repeat(1024 ** 2 + 1));
  web.services.controller.start();
  await web.services.addVm('fib');
});
after(async () => {
  const stopped = web.services.controller.stop();
  await web.services.clock.advance(20_000);
  await stopped;
  await web[Symbol.asyncDispose]();
  await folder.remove();
});

/** Runs `service deploy`; the command's waiting is what makes time pass. */
async function deploy(file: string, options: Partial<DeployOptions> = {}) {
  const written = { stdout: '', stderr: '' };
  const sink = (name: keyof typeof written) =>
    new Writable({
      write(chunk, _encoding, done) {
        written[name] += String(chunk);
        done();
      },
    });
  const sleep = (ms: number): Promise<void> => web.services.clock.advance(ms);
  const given = { wait: true, name: 'fib', ...options };
  const code = await serviceDeploy(
    client,
    { stdout: sink('stdout'), stderr: sink('stderr'), sleep },
    [join(folder.path, file)],
    given,
  );
  return { code, ...written };
}

test('deploying waits until the revision serves, and says where', async () => {
  const { code, stdout, stderr } = await deploy('fib.py');
  assert.equal(code, 0);
  assert.equal(stdout, 'fib: revision 1 serves at http://127.0.0.1:8100\n  curl http://127.0.0.1:8100/\n');
  assert.match(stderr, /revision 1 is being brought up: on 0 of 1 VM\n/);
});

test('a revision that fails gives its traceback and exit code 1; the old one is told to serve', async () => {
  const { code, stdout, stderr } = await deploy('bad.py');
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /Traceback \(most recent call last\):\n.*\nImportError: no module named nonsense\n/);
  assert.match(stderr, /tidepool: fib: revision 2 failed: on fib-0000: .*; revision 1 serves from 1 VM\n$/);
});

test('the newest failure is shown with the service', async () => {
  const shown = await serviceShow(client, 'fib', {});
  assert.match(shown, /\n\nlast failure: revision 2: on fib-0000: ImportError: .*\nTraceback/);
});

test('as JSON there is the service and the number of the revision, and nothing else', async () => {
  const { code, stdout, stderr } = await deploy('bad.py', { json: true });
  const { revision, service } = JSON.parse(stdout);
  assert.deepEqual([code, revision, service.name, stderr], [1, 3, 'fib', '']);
});

test('without waiting it is only told what was deployed', async () => {
  const { code, stdout } = await deploy('fib.py', { wait: false });
  assert.deepEqual([code, stdout], [0, 'fib: revision 4 is deployed\n']);
  await web.services.clock.advance(20_000);
});

test('where no VM is wanted nothing is waited for', async () => {
  const { code, stdout } = await deploy('fib.py', { name: 'idle', min: '0' });
  assert.deepEqual([code, stdout], [0, 'idle: revision 1 waits for a VM: the pool wants none\n']);
});

test('a service that moves to another port says so', async () => {
  const { stderr } = await deploy('fib.py', { name: 'idle', port: '8190', wait: false });
  assert.match(stderr, /^idle: its address moves from port \d+ to port 8190; clients must follow\n$/);
  const again = await deploy('fib.py', { name: 'idle', port: '8190', wait: false });
  assert.equal(again.stderr, '');
});

test('files that cannot be deployed are refused before anything is sent', async () => {
  await assert.rejects(deploy('none.py'), (error) => hasCode(error, 'invalid'));
  await assert.rejects(deploy('.'), (error) => hasCode(error, 'invalid'));
  await assert.rejects(deploy('big.py'), (error) => hasCode(error, 'too_large'));
  await assert.rejects(deploy('fib.py', { port: '8100', name: 'other' }), (error) => hasCode(error, 'conflict'));
});

test('services are listed, shown, changed; what they print is harmless to a terminal', async () => {
  const list = await serviceList(client, {});
  assert.match(list, /^NAME +PROTOCOL +ADDRESS +STATE/);
  assert.match(list, /fib +http +http:\/\/127\.0\.0\.1:8100 +serving +4 /);
  const shown = await serviceShow(client, 'fib', {});
  assert.match(shown, /state +serving: revision 4 serves from 1 VM/);
  assert.match(shown, /\n3 +failed +python +bad\.py +on fib-0000: ImportError/);
  assert.doesNotMatch(shown, /last failure/);
  web.services.running('fib-0000', 'fib-4').print('clear \u001b[2J screen\n');
  assert.match(await serviceLogs(client, 'fib', { tail: '10' }), /fib-0000 r4 {3}clear \?\[2J screen$/);
  assert.match(await serviceChange(client, 'idle', 'stop', {}), /^idle: stopped$/);
  await assert.rejects(serviceChange(client, 'none', 'start', {}), (error) => hasCode(error, 'not_found'));
});

function tidepool(args: readonly string[]): ChildProcess {
  const env = { ...process.env, TIDEPOOL_URL: web.url, TIDEPOOL_TOKEN: secret };
  return spawn('./tidepool', args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
}

async function textOf(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = '';
  for await (const chunk of stream ?? []) text += String(chunk);
  return text;
}

test('endpoints as commands come line by line; who has read enough ends it without a word', async () => {
  const child = tidepool(['service', 'endpoints', 'fib', '--watch', '--commands']);
  const stderr = textOf(child.stderr);
  const ended = once(child, 'exit');
  const lines = createInterface({ input: child.stdout ?? assert.fail('no output') });
  assert.deepEqual(await once(lines, 'line'), ['+ 127.0.0.1 9002']);
  child.stdout?.destroy();
  await web.services.addVm('fib');
  await web.services.clock.advance(10_000);
  assert.deepEqual(await ended, [0, null]);
  assert.equal(await stderr, '');
});

test('a command whose reader is gone ends without a word', async () => {
  const child = tidepool(['service', 'show', 'fib']);
  child.stdout?.destroy();
  const [ended, stderr] = await Promise.all([once(child, 'exit'), textOf(child.stderr)]);
  assert.deepEqual([ended, stderr], [[0, null], '']);
});

test('a service that is not there has the exit code of that', async () => {
  for (const args of [
    ['endpoints', 'none', '--watch'],
    ['show', 'none'],
    ['delete', 'none'],
  ]) {
    const child = tidepool(['service', ...args]);
    const stderr = textOf(child.stderr);
    assert.deepEqual(await once(child, 'exit'), [66, null]);
    assert.equal(await stderr, 'tidepool: there is no service none\n');
  }
});
