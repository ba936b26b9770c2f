import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Runtimes } from '../agent/runtimes.ts';
import { hasCode } from '../domain/errors.ts';
import { FakeClock } from '../fake/clock.ts';
import { WorkerRuntimes } from './runtimes.ts';

const minuteMs = 60_000;

/** A server with runtimes, and a worker's folder for them in which disks are attached by a file. */
async function world(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-worker-'));
  const clock = new FakeClock();
  let names: readonly string[] = [];
  let sizeBytes = 4;
  const server = createServer((request, response) => {
    const isList = request.url === '/api/v1/workers/runtimes';
    const list = { runtimes: names.map((name) => ({ name, id: '0a', sizeBytes })) };
    response.end(isList ? JSON.stringify(list) : 'disk');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    server.close();
    await rm(folder, { recursive: true });
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const runtimes = new WorkerRuntimes({
    ...{ server: { url, token: 't' }, folder, clock, log: () => undefined },
    tool: {
      attach: (disk, root) => writeFile(join(root, 'attached'), disk),
      detach: (root) => rm(join(root, 'attached'), { force: true }),
    },
  });
  await runtimes.prepare();
  const paths = { runtimes: runtimes.namesPath } as ConstructorParameters<typeof Runtimes>[0];
  const agent = new Runtimes(paths, clock);
  /** One look at the server, as a worker looks every ten seconds. */
  const look = async (...has: readonly string[]): Promise<readonly string[]> => {
    names = has;
    const missing = await runtimes.missing();
    await runtimes.drop((name, remove) => agent.drop(name, remove));
    for (const remote of missing) await runtimes.bring(remote);
    await agent.refresh();
    return agent.names;
  };
  const files = async (): Promise<string[]> =>
    (await Promise.all(['disks', 'roots', 'names'].map((part) => readdir(join(folder, part))))).flat();
  return {
    ...{ clock, agent, runtimes, look, files },
    enlarge: (bytes: number) => {
      sizeBytes = bytes;
    },
  };
}

test('a worker drops what its server has no more, however many runtimes come and go', async (t) => {
  const { clock, look, files } = await world(t);
  for (let i = 0; i < 30; i += 1) {
    const seen = await look('python', `req-${i}`);
    assert.ok(seen.includes('python') && seen.includes(`req-${i}`));
    assert.ok(seen.length <= 7, `${seen.length} runtimes`);
    await clock.advance(2 * minuteMs);
  }
  await clock.advance(10 * minuteMs);
  assert.deepEqual(await look('python'), ['python']);
  assert.deepEqual(await files(), ['python-0a', 'python-0a', 'python']);
});

test('a runtime stays while an attempt uses it, and while the server may only have lost sight of it', async (t) => {
  const { clock, agent, look } = await world(t);
  await look('python', 'lab');
  const use = await agent.use('lab');
  assert.deepEqual(await look(), ['lab', 'python']);
  await clock.advance(20 * minuteMs);
  // The common one stays whatever the server says.
  assert.deepEqual(await look(), ['lab', 'python']);
  use.end();
  use.end();
  assert.deepEqual(await look(), ['python']);
  await assert.rejects(agent.use('lab'), (error) => hasCode(error, 'not_found'));
  assert.deepEqual(await look('python', 'lab'), ['lab', 'python']);
});

test('a runtime that is being dropped is not found again', async (t) => {
  const { clock, agent, look } = await world(t);
  await look('python', 'lab');
  await clock.advance(20 * minuteMs);
  const dropped = agent.drop('lab', async () => {
    await agent.refresh();
    assert.deepEqual(agent.names, ['python']);
  });
  assert.ok(await dropped);
});

test('a runtime for which the disk has no room is refused with the numbers', async (t) => {
  const { look, enlarge, files } = await world(t);
  enlarge(2 ** 50);
  await assert.rejects(look('python'), (error) => hasCode(error, 'exhausted') && /1073741824 MiB/.test(error.message));
  assert.deepEqual(await files(), []);
});
