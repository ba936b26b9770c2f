import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerList } from './server-list.ts';

const vm0 = { name: 'fib-0000', host: '127.0.0.1', port: 1 };
const vm1 = { name: 'fib-0001', host: '127.0.0.1', port: 2 };
const other = { host: '10.0.0.1', port: 80 };

function names(list: ServerList): string[] {
  return list.all.map(({ name }) => name);
}

test('what the cloud lists, and what is changed by hand, each stays as it was said last', () => {
  const list = new ServerList();
  list.list([vm0, vm1]);
  assert.equal(list.add(other), true);
  assert.equal(list.add(other), false);
  assert.equal(list.add(vm0), false);
  assert.deepEqual(names(list), ['fib-0000', 'fib-0001', '10.0.0.1:80']);
  assert.equal(list.remove(vm0), true);
  assert.equal(list.remove(vm0), false);
  list.list([vm0, vm1]);
  assert.deepEqual(names(list), ['fib-0001', '10.0.0.1:80'], 'what was taken out by hand stays out');
  list.unlist(vm0);
  list.listAlso(vm0);
  assert.deepEqual(names(list), ['fib-0001', 'fib-0000', '10.0.0.1:80'], 'a new VM at its address is another server');
  list.clear();
  assert.deepEqual(names(list), []);
  list.listAlso({ ...vm0, port: 3 });
  assert.equal(list.add(vm1), true);
  assert.deepEqual(names(list), ['fib-0001', 'fib-0000']);
  list.reset();
  assert.deepEqual(names(list), ['fib-0001', 'fib-0000', 'fib-0000']);
});
