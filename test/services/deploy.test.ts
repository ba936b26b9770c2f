import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ErrorCode } from '../../src/domain/errors.ts';
import { hasCode, type TidepoolError } from '../../src/domain/errors.ts';
import type { RevisionSpec } from '../../src/domain/service.ts';
import { type Deployment, deployService } from '../../src/services/deploy.ts';
import { ServiceWorld } from './world.ts';

let world: ServiceWorld;
before(async () => {
  world = await ServiceWorld.open({ maxServices: 5 });
});
after(() => world.close());

async function refused(code: ErrorCode, words: RegExp, fields: Partial<Deployment>, spec: Partial<RevisionSpec> = {}) {
  const good = await world.deployment('good-name', 'good');
  await assert.rejects(
    deployService(world.context, { ...good, ...fields, spec: { ...good.spec, ...spec } }),
    (error) => {
      assert.ok(hasCode(error, code), String(error));
      assert.match((error as TidepoolError).message, words);
      return true;
    },
  );
  assert.equal(await world.store.services.get('good-name'), undefined, 'nothing of it stays');
}

test('names', async () => {
  for (const name of ['', 'Fib', 'fib_1', '1fib', '-fib', 'fib-', 'a'.repeat(31), '../x', 'fib\n', 'fïb'])
    await refused('invalid', /cannot be the name of a service/, { name });
  await refused('conflict', /a pool of the configuration/, { name: 'default' });
});

test('ports', async () => {
  for (const port of [0, 65_536, 1.5, Number.NaN, -1]) await refused('invalid', /is not a port/, { port });
  await refused('invalid', /a udp service has no port/, { protocol: 'udp', port: 21_001 });
  world.door.takenPorts.add(8_500);
  await refused('conflict', /port 8500 is taken by another program/, { port: 8_500 });
});

test('settings', async () => {
  await refused('invalid', /min is 3, more than max, which is 2/, { settings: { min: 3, max: 2 } });
  await refused('invalid', /max is 51; a service may have 50 VMs/, { settings: { max: 51 } });
  await refused('invalid', /max is 0/, { settings: { min: 0, max: 0 } });
  await refused('invalid', /warm is -1/, { settings: { warm: -1 } });
  await refused('invalid', /there is no such policy/, { settings: { policies: ['nonsense'] } });
  await refused('invalid', /there is no flavor "huge"; there are: small/, { flavor: 'huge' });
});

test('what it runs', async () => {
  const file = (name: string) => ({ name, blob: 'a'.repeat(64) });
  const handler = (name: string) => ({ kind: 'handler' as const, file: name });
  const command = (...argv: string[]) => ({ kind: 'command' as const, argv });
  await refused('invalid', /there is no runtime "java"; there are: python, ml/, {}, { runtime: 'java' });
  await refused('invalid', /"b.py", was not sent/, {}, { entry: handler('b.py') });
  await refused('invalid', /is not a Python file/, {}, { entry: handler('a.txt'), files: [file('a.txt')] });
  await refused('invalid', /it has a slash/, {}, { entry: handler('a/b.py'), files: [file('a/b.py')] });
  await refused('invalid', /name cannot be used/, {}, { entry: handler('..'), files: [file('..')] });
  await refused('invalid', /two files are named "app.py"/, {}, { files: [file('app.py'), file('app.py')] });
  const many = Array.from({ length: 17 }, (_, i) => file(`f${i}.py`));
  await refused('invalid', /17 files were sent; at most 16/, {}, { entry: handler('f0.py'), files: many });
  await refused('invalid', /the command is empty/, {}, { entry: command() });
  await refused('invalid', /the command is empty/, {}, { entry: command('') });
  await refused('invalid', /without NUL/, {}, { entry: command('python3', 'a\0b') });
  await refused('invalid', /100 arguments/, {}, { entry: command(...Array(101).fill('x')) });
});

test('limits and environment', async () => {
  await refused('invalid', /processes is 0; it must be a whole number from 1 to 64/, {}, { processes: 0 });
  await refused('invalid', /requestTimeoutMs is 1e\+21/, {}, { requestTimeoutMs: 1e21 });
  await refused('invalid', /maxBodyBytes is NaN/, {}, { maxBodyBytes: Number.NaN });
  await refused('invalid', /"A B" cannot be the name/, {}, { environment: { 'A B': '' } });
  await refused('invalid', /PORT is set by Tidepool/, {}, { environment: { PORT: '1' } });
  await refused('invalid', /TIDEPOOL_STORE is set by Tidepool/, {}, { environment: { TIDEPOOL_STORE: '/x' } });
  await refused('invalid', /32768 bytes/, {}, { environment: { A: 'x'.repeat(32_769) } });
});

test('what there is already', async () => {
  const deploy = async (name: string, fields: Partial<Deployment> = {}) =>
    (await deployService(world.context, await world.deployment(name, 'good', fields))).service;
  // Two at once do not choose the same port.
  const [first, second] = await Promise.all([deploy('first'), deploy('second')]);
  assert.deepEqual([first.port, second.port], [8_100, 8_101]);
  const expect = (work: Promise<unknown>, code: ErrorCode, words: RegExp) =>
    assert.rejects(work, (error) => hasCode(error, code) && words.test(error.message));
  await expect(deploy('third', { port: 8_101 }), 'conflict', /port 8101 is taken by the service second/);
  await expect(deploy('first', { port: 8_101 }), 'conflict', /taken by the service second/);
  await expect(deploy('first', { protocol: 'tcp' }), 'conflict', /first speaks http; that cannot change/);
  await expect(deploy('first', { owner: 'eve' }), 'conflict', /taken by another's service/);
  await world.clock.advance(1_000);
  const other = [...world.context.rules.flavors, { name: 'large', vcpus: 4, memoryMiB: 4_096, diskGiB: 10 }];
  const context = { ...world.context, rules: { ...world.context.rules, flavors: other } };
  const large = await world.deployment('first', 'good', { flavor: 'large' });
  await expect(deployService(context, large), 'conflict', /stop it first/);
  await deploy('third', { port: 9_999 });
  await deploy('fourth');
  await expect(deploy('fifth'), 'exhausted', /no port from 8100 to 8102 is free/);
  await deploy('fifth', { protocol: 'udp' });
  await expect(deploy('sixth', { port: 7_777 }), 'exhausted', /there are 5 services/);
});

test('a deployment changes what it names and keeps the rest', async () => {
  const deploy = async (fields: Partial<Deployment>) =>
    (await deployService(world.context, await world.deployment('second', 'good', fields))).service;
  const before = await deploy({ settings: { max: 4, policies: ['target'] } });
  assert.deepEqual(before.settings, { min: 1, max: 4, warm: 0, paused: false, policies: ['target'] });
  assert.deepEqual(world.pools.opened.get('second')?.max, 4, 'its open pool is told');
  await world.pools.change('second', { warm: 2 });
  const after = await deploy({ port: 9_000, settings: { min: 2 } });
  assert.deepEqual(
    [after.port, after.settings.min, after.settings.max, after.settings.policies],
    [9_000, 2, 4, ['target']],
  );
  assert.equal(world.pools.opened.get('second')?.warm, 2, 'what was set by hand stays');
});
