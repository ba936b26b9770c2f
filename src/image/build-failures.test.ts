import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FakeClock } from '../fake/clock.ts';
import { BuildFailures } from './build-failures.ts';

test('a build that failed is not begun anew by a restart of the server, and pauses grow', async () => {
  const cache = await mkdtemp(join(tmpdir(), 'tidepool-failures-'));
  try {
    const logged: string[] = [];
    const server = () => {
      const clock = new FakeClock();
      return { clock, failures: new BuildFailures(cache, clock, (line) => logged.push(line)) };
    };
    const first = server();
    assert.equal(await first.failures.whyNot('ml'), undefined);
    await first.failures.failed('ml', 'no packages');
    assert.match((await first.failures.whyNot('ml')) ?? '', /^no packages; it is tried again in \d+ s$/);
    assert.equal(await first.failures.whyNot('python'), undefined);
    const second = server();
    assert.match((await second.failures.whyNot('ml')) ?? '', /^no packages/);
    await second.clock.advance(72_000);
    assert.equal(await second.failures.whyNot('ml'), undefined);
    await second.failures.failed('ml', 'again');
    await second.clock.advance(72_000);
    assert.match((await second.failures.whyNot('ml')) ?? '', /^again/, 'the pause has grown');
    await second.failures.succeeded('ml');
    assert.equal(await second.failures.whyNot('ml'), undefined);
    assert.equal(await server().failures.whyNot('ml'), undefined);
    await second.failures.failed('ml', 'x');
    await writeFile(join(cache, 'failed-builds', 'ml.json'), '{');
    assert.equal(await server().failures.whyNot('ml'), undefined, 'a damaged note counts for nothing');
    assert.deepEqual(logged, []);
  } finally {
    await rm(cache, { recursive: true });
  }
});
