import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readyVm } from '../fake/vm.ts';
import { newVmRuntimes } from './disks.ts';
import { RuntimeNeeds } from './needs.ts';

const vm = (name: string, fields: Partial<Parameters<typeof readyVm>[0]> & { jobs?: number } = {}) => ({
  jobs: 0,
  ...readyVm({ name, ...fields }),
  ...(fields.jobs === undefined ? {} : { jobs: fields.jobs }),
});

test('a VM is marked only for a runtime that a job waits for, one at a time, the idlest', () => {
  const needs = new RuntimeNeeds();
  const pool = [vm('a', { jobs: 2 }), vm('b', { jobs: 1 }), vm('c', { jobs: 1 })];
  const marked = (): string[] => pool.filter((one) => needs.isMarked(one)).map(({ name }) => name);
  needs.look(pool, [], false);
  assert.deepEqual(marked(), []);
  needs.look(pool, ['req-x', 'req-y'], true);
  assert.deepEqual(marked(), [], 'a VM is launched anyway');
  needs.look([...pool, vm('d', { state: 'booting' })], ['req-x'], false);
  assert.deepEqual(marked(), [], 'one is on its way');
  for (let i = 0; i < 3; i += 1) needs.look(pool, ['req-x', 'req-y'], false);
  assert.deepEqual(marked(), ['b']);
  needs.look([...pool.slice(0, 1), ...pool.slice(2), vm('new', { runtimes: ['req-x'] })], ['req-x'], false);
  assert.deepEqual(marked(), []);
});

test('a VM that has the runtime marks none', () => {
  const needs = new RuntimeNeeds();
  const pool = [vm('a'), vm('b', { runtimes: ['python', 'req-x'] })];
  needs.look(pool, ['req-x'], false);
  assert.ok(!pool.some((one) => needs.isMarked(one)));
});

test('a new VM has what has a name, what is waited for, what was used last, and never more than it has places for', () => {
  const all = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? `req-${i}` : `named-${i}`)).map((name) => {
    return { name, id: '', path: '', sizeBytes: 1, createdAtMs: 0, image: null };
  });
  const names = newVmRuntimes(all, ['req-38', 'req-30', 'gone']).map(({ name }) => name);
  assert.equal(names.length, 24);
  assert.equal(names.filter((name) => name.startsWith('named-')).length, 20);
  assert.deepEqual(names.slice(20), ['req-38', 'req-30', 'req-0', 'req-2']);
});

test('what was waited for last is preferred', () => {
  const needs = new RuntimeNeeds();
  needs.look([], ['req-a'], false);
  needs.look([], ['req-b'], false);
  assert.deepEqual(needs.preferred, ['req-b', 'req-a']);
  needs.look([], ['req-a'], false);
  assert.deepEqual(needs.preferred, ['req-a', 'req-b']);
});
