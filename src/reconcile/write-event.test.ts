import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidepoolError } from '../domain/errors.ts';
import { FakeClock } from '../fake/clock.ts';
import { Changes } from './changes.ts';
import { writeEvent } from './write-event.ts';

test('an event that cannot be written is logged and fails nobody', async () => {
  const logged: string[] = [];
  const append = async (): Promise<never> => {
    throw new TidepoolError('exhausted', 'the disk is full');
  };
  const parts = {
    store: { events: { append } },
    ...{ clock: new FakeClock(), changes: new Changes(), log: (line: string) => void logged.push(line) },
  };
  await writeEvent(parts, { name: 'vm.failed', pool: 'default', vm: 'default-0001', text: 'failed', data: {} });
  assert.deepEqual(logged, ['an event of default could not be written (vm.failed): the disk is full']);
});
