import { test } from 'node:test';
import { systemClock } from '../../src/clock/system-clock.ts';
import { defaultCacheDir } from '../../src/config/paths.ts';
import { commandRunner } from '../../src/image/command.ts';
import { BareMachine } from './machine.ts';
import { parts } from './parts.ts';

const isRoot = process.getuid?.() === 0;
const inBare = process.env.TIDEPOOL_BARE !== undefined;
const reason = inBare ? 'this is the bare machine' : 'only root may make the namespaces of a bare machine';

test('a Debian with nodejs and npm only: the bootstrap, all packages, and tests that start what they bring', {
  skip: inBare || !isRoot ? reason : false,
}, async () => {
  await using machine = await BareMachine.make(defaultCacheDir(), commandRunner(systemClock), (line) =>
    console.log(line),
  );
  await parts.sample(machine);
});
