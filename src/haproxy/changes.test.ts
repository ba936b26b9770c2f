import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BusyServer, needsClearing, serverCommands } from './changes.ts';
import { serverId, serverOptions, successor } from './config.ts';
import { sampleServer, sampleService } from './service.fake.ts';

const service = sampleService();
const known = (name: string, fields: Partial<BusyServer> = {}): BusyServer => ({
  ...{ service: service.name, id: serverId(sampleServer({ name })) },
  ...{ isDraining: false, isInMaintenance: false, inFlight: 0, isOverdue: false, isDead: false },
  ...fields,
});
const web = (...servers: Parameters<typeof sampleServer>[0][]) => [
  sampleService({ servers: servers.map(sampleServer) }),
];
const place = (name: string): string => `web-1/${name}:127.0.0.1:9001`;
const ready = (name: string): string[] => [`enable health ${place(name)}`, `set server ${place(name)} state ready`];

test('a new server is added with its options, checked and opened', () => {
  const add = `add server ${place('a')} 127.0.0.1:9001 ${serverOptions(service)}`;
  assert.deepEqual(serverCommands(web({ name: 'a' }), []), [add, ...ready('a')]);
});

test('what is as it should be is not touched, nor what drains from the start, nor the successor', () => {
  const has = [
    known('a', { inFlight: 3 }),
    known('b', { isDraining: true, inFlight: 1 }),
    known('c', { id: successor }),
  ];
  assert.deepEqual(
    serverCommands(web({ name: 'a' }, { name: 'b', state: 'draining' }, { name: 'd', state: 'draining' }), has),
    [],
  );
});

test('a server drains, and comes back out of any state', () => {
  assert.deepEqual(serverCommands(web({ name: 'a', state: 'draining' }), [known('a')]), [
    `set server ${place('a')} state drain`,
  ]);
  for (const state of [{ isDraining: true }, { isInMaintenance: true }])
    assert.deepEqual(serverCommands(web({ name: 'a' }), [known('a', state)]), ready('a'));
});

test('a server that is gone drains, then rests; a request that does not end is ended when it is overdue', () => {
  const commands = (fields: Partial<BusyServer>): string[] => serverCommands(web(), [known('a', fields)]);
  assert.deepEqual(commands({}), [`set server ${place('a')} state drain`]);
  assert.deepEqual(commands({ isDraining: true, inFlight: 1 }), []);
  assert.deepEqual(commands({ isDraining: true, inFlight: 1, isOverdue: true }), [
    `shutdown sessions server ${place('a')}`,
  ]);
  assert.deepEqual(commands({ isDraining: true }), [`set server ${place('a')} state maint`]);
  assert.deepEqual(commands({ isInMaintenance: true, isOverdue: true }), []);
});

test('requests on a dead server are ended, and it stays for when it is well again', () => {
  const dead = known('a', { isDead: true, inFlight: 2 });
  assert.deepEqual(serverCommands(web({ name: 'a' }), [dead]), [`shutdown sessions server ${place('a')}`]);
});

test('servers that are gone are cleared away when there are many', () => {
  const gone = (count: number): BusyServer[] =>
    Array.from({ length: count }, (_, i) => known(`g-${i}`, { isInMaintenance: true }));
  assert.equal(needsClearing(web(), gone(50)), false);
  assert.equal(needsClearing(web(), gone(51)), true);
  assert.equal(needsClearing(web({ name: 'g-0' }), gone(51)), false);
});

test('from any state, carrying out the commands comes to rest with what is wanted', () => {
  const names = ['a', 'b', 'c'];
  const state = fc.record({
    isDraining: fc.boolean(),
    isInMaintenance: fc.boolean(),
    inFlight: fc.nat(1),
    isOverdue: fc.constant(true),
  });
  const has = fc.dictionary(fc.constantFrom(...names), state);
  const wanted = fc.dictionary(fc.constantFrom(...names), fc.constantFrom('serving' as const, 'draining' as const));
  fc.assert(
    fc.property(has, wanted, (before, wishes) => {
      const servers = new Map(Object.entries(before).map(([name, fields]) => [place(name), known(name, fields)]));
      const services = web(...Object.entries(wishes).map(([name, wish]) => ({ name, state: wish })));
      for (let round = 0; round < 4; round += 1) {
        for (const command of serverCommands(services, [...servers.values()])) carryOut(servers, command);
      }
      assert.deepEqual(serverCommands(services, [...servers.values()]), []);
      const open = [...servers].filter(([, one]) => !one.isDraining && !one.isInMaintenance).map(([at]) => at);
      const serving = Object.entries(wishes).filter(([, wish]) => wish === 'serving');
      assert.deepEqual(open.sort(), serving.map(([name]) => place(name)).sort());
    }),
  );
});

/** As HAProxy would. */
function carryOut(servers: Map<string, BusyServer>, command: string): void {
  const [, at = '', verb = ''] = /server (\S+)(?: state (\w+))?/.exec(command.replace('sessions ', '')) ?? [];
  const name = /\/(\w+):/.exec(at)?.[1] ?? '';
  const server = servers.get(at);
  if (command.startsWith('add ')) servers.set(at, known(name, { isInMaintenance: true }));
  else if (server === undefined) assert.ok(command.startsWith('enable health '), command);
  else if (command.startsWith('shutdown ')) servers.set(at, { ...server, inFlight: 0 });
  else servers.set(at, { ...server, isDraining: verb === 'drain', isInMaintenance: verb === 'maint' });
}
