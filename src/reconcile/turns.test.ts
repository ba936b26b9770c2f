import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from './turns.ts';

test('each piece of work begins when the one before has ended, however that ended', async () => {
  const turns = new Turns();
  const seen: string[] = [];
  const work = (name: string, fails: boolean) => async (): Promise<string> => {
    seen.push(`${name} begins`);
    await Promise.resolve();
    seen.push(`${name} ends`);
    if (fails) throw new RangeError(name);
    return name;
  };
  const first = turns.run(work('first', true));
  const second = turns.run(work('second', false));
  await assert.rejects(first, RangeError);
  assert.equal(await second, 'second');
  assert.deepEqual(seen, ['first begins', 'first ends', 'second begins', 'second ends']);
});
