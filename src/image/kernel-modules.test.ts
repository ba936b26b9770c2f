import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ModuleFile, moduleClosure, moduleDepends, moduleName, modulesDep } from './kernel-modules.ts';

test('a module is known by its file name without dashes and endings', () => {
  assert.equal(moduleName('kernel/drivers/char/hw_random/virtio-rng.ko'), 'virtio_rng');
  assert.equal(moduleName('kernel/drivers/block/virtio_blk.ko.xz'), 'virtio_blk');
});

test('dependencies are read from the modinfo section', () => {
  const info = (text: string): Buffer => Buffer.from(`\x7fELF...\0license=GPL\0depends=${text}\0name=x\0`);
  assert.deepEqual(moduleDepends(info('virtio_ring,virtio-pci-modern-dev')), ['virtio_ring', 'virtio_pci_modern_dev']);
  assert.deepEqual(moduleDepends(info('')), []);
  assert.deepEqual(moduleDepends(Buffer.from('no modinfo here')), []);
});

test('built-in modules need no file, and what is nowhere is told', () => {
  const modules = new Map<string, ModuleFile>([['virtio_blk', { name: 'virtio_blk', depends: ['virtio', 'lost'] }]]);
  const find = (name: string) => modules.get(name) ?? (name === 'virtio' ? 'builtin' : undefined);
  assert.deepEqual(moduleClosure(['virtio_blk', 'ext4'], find), { order: ['virtio_blk'], missing: ['lost', 'ext4'] });
});

/** Modules m0, m1, ... each depending on some of lower number. */
const modulesArbitrary = fc
  .array(fc.array(fc.nat(30), { maxLength: 4 }), { minLength: 1, maxLength: 20 })
  .map((rows) => {
    const modules = new Map<string, ModuleFile>();
    rows.forEach((row, index) => {
      const depends = row.filter((other) => other < index).map((other) => `m${other}`);
      modules.set(`m${index}`, { name: `m${index}`, depends });
    });
    return modules;
  });

test('each module comes once and after all that it depends on', () => {
  fc.assert(
    fc.property(modulesArbitrary, (modules) => {
      const { order, missing } = moduleClosure([...modules.keys()].reverse(), (name) => modules.get(name));
      assert.deepEqual(missing, []);
      assert.deepEqual([...order].sort(), [...modules.keys()].sort());
      for (const [name, { depends }] of modules) {
        for (const dependency of depends) assert.ok(order.indexOf(dependency) < order.indexOf(name));
      }
    }),
  );
});

test('modules.dep lists the dependencies of dependencies, nearest first', () => {
  const modules = new Map<string, ModuleFile>([
    ['a', { name: 'a', depends: [] }],
    ['b', { name: 'b', depends: ['a'] }],
    ['c', { name: 'c', depends: ['b'] }],
  ]);
  const paths = new Map([...modules.keys()].map((name) => [name, `kernel/${name}.ko`]));
  assert.equal(
    modulesDep(paths, modules),
    'kernel/a.ko:\nkernel/b.ko: kernel/a.ko\nkernel/c.ko: kernel/b.ko kernel/a.ko\n',
  );
});
