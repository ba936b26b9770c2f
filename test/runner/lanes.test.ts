import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inLanes, type Task } from './lanes.ts';

/** Tasks that end when they are called to, and a record of who ran beside whom. */
class World {
  readonly running = new Set<string>();
  readonly started: string[] = [];
  readonly #ends = new Map<string, () => void>();

  task(name: string, isAlone = false): Task<string> {
    return {
      isAlone,
      run: async () => {
        this.started.push(name);
        this.running.add(name);
        await new Promise<void>((resolve) => this.#ends.set(name, resolve));
        this.running.delete(name);
        return name;
      },
    };
  }

  end(name: string): void {
    this.#ends.get(name)?.();
  }
}

test('two run at once, the next one starts as one ends, and results come as they end', async () => {
  const world = new World();
  const results = inLanes([world.task('a'), world.task('b'), world.task('c')], 2, new AbortController().signal);
  const first = results.next();
  assert.deepEqual(world.started, ['a', 'b']);
  world.end('b');
  assert.equal((await first).value, 'b');
  const second = results.next();
  assert.deepEqual([...world.running], ['a', 'c']);
  world.end('a');
  assert.equal((await second).value, 'a');
  const third = results.next();
  world.end('c');
  assert.equal((await third).value, 'c');
  assert.equal((await results.next()).done, true);
});

test('one that is alone waits until nothing runs, and nothing starts beside it', async () => {
  const world = new World();
  const tasks = [world.task('a'), world.task('alone', true), world.task('b')];
  const results = inLanes(tasks, 2, new AbortController().signal);
  const first = results.next();
  assert.deepEqual([...world.running], ['a']);
  world.end('a');
  assert.equal((await first).value, 'a');
  const second = results.next();
  assert.deepEqual([...world.running], ['alone']);
  world.end('alone');
  assert.equal((await second).value, 'alone');
  const third = results.next();
  assert.deepEqual([...world.running], ['b']);
  world.end('b');
  assert.equal((await third).value, 'b');
  assert.equal((await results.next()).done, true);
});

test('after an abort nothing starts, and what runs still gives its result', async () => {
  const world = new World();
  const stopping = new AbortController();
  const results = inLanes([world.task('a'), world.task('b'), world.task('c')], 2, stopping.signal);
  const first = results.next();
  stopping.abort();
  world.end('a');
  assert.equal((await first).value, 'a');
  const second = results.next();
  world.end('b');
  assert.equal((await second).value, 'b');
  assert.equal((await results.next()).done, true);
  assert.deepEqual(world.started, ['a', 'b']);
});
