import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../clock/system-clock.ts';
import { hasCode } from '../domain/errors.ts';
import { FakeClock } from '../fake/clock.ts';
import { MasterSocket, parseProcesses } from './master.ts';

/** A master whose answers are the test's. */
async function withMaster(
  answer: (socket: Socket, line: string) => void,
  use: (path: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-master-'));
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    let line = '';
    socket.on('data', (chunk) => {
      line += chunk;
    });
    socket.on('error', () => undefined).on('end', () => answer(socket, line));
  });
  const path = join(folder, 'm.sock');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    await use(path);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true });
  }
}

const fails = (run: Promise<unknown>, code: 'unavailable' | 'timeout' | 'upstream' | 'internal'): Promise<void> =>
  assert.rejects(run, (error) => hasCode(error, code));

test('an answer that came while our own process stood still is no time-out', async () => {
  const timers: (() => void)[] = [];
  let stalledMs = 0;
  const clock = {
    ...systemClock,
    uptimeMs: () => stalledMs,
    after: (_ms: number, fn: () => void) => {
      timers.push(fn);
      return () => undefined;
    },
  };
  // The answer is in the socket, and the loop runs its timers before it reads.
  const answer = (socket: Socket): void => {
    socket.end('fine');
    stalledMs += 6_000;
    timers.shift()?.();
  };
  await withMaster(answer, async (path) => {
    assert.equal(await new MasterSocket(path, clock).run('show info'), 'fine');
  });
});

test('a command goes to the master or to one worker, and the answer comes trimmed', () =>
  withMaster(
    (socket, line) => socket.end(`\nyou said ${line}\n`),
    async (path) => {
      const master = new MasterSocket(path, systemClock);
      assert.equal(await master.run('show proc'), 'you said show proc');
      assert.equal(await master.run('show info', 42), 'you said @!42 show info');
    },
  ));

test('what would be a second command is never sent', () =>
  withMaster(
    () => assert.fail('something came'),
    async (path) => {
      for (const command of ['a; b', 'a\nb', 'a\\'])
        assert.throws(() => new MasterSocket(path, systemClock).run(command));
    },
  ));

test('nobody there, no answer, an endless answer', async () => {
  await fails(new MasterSocket('/nonexistent/m.sock', systemClock).run('x'), 'unavailable');
  await withMaster(
    () => undefined,
    async (path) => {
      const clock = new FakeClock();
      const silent = fails(new MasterSocket(path, clock).run('x'), 'timeout');
      await clock.advance(5_000);
      await silent;
    },
  );
  const megabyte = Buffer.alloc(1024 ** 2);
  await withMaster(
    (socket) => {
      const more = (): void => {
        if (!socket.destroyed) socket.write(megabyte, more);
      };
      more();
    },
    (path) => fails(new MasterSocket(path, systemClock).run('x'), 'upstream'),
  );
});

test('show proc: master, worker, and those that leave', () => {
  const header = '#<PID>          <type>          <reloads>       <uptime>        <version>      ';
  const row = (pid: number, type: string, reloads: string): string =>
    `${pid}  ${type}  ${reloads}  0d00h01m06s  2.6.12-1`;
  const lines = [header, row(10, 'master', '11 [failed: 2]'), '# workers', row(30, 'worker', '0'), '# old workers'];
  const text = [...lines, row(20, 'worker', '1'), row(21, 'worker', '3'), '# programs'].join('\n');
  assert.deepEqual(parseProcesses(text), { master: 10, worker: 30, leaving: [20, 21], reloads: 11, failedReloads: 2 });
  const alone = [header, row(10, 'master', '0 [failed: 0]'), '# workers', '# programs'].join('\n');
  assert.deepEqual(parseProcesses(alone), { master: 10, worker: undefined, leaving: [], reloads: 0, failedReloads: 0 });
  assert.throws(
    () => parseProcesses('Unknown command'),
    (error) => hasCode(error, 'upstream'),
  );
});
