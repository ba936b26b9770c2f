import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Harness, patient, waitsForGo } from '../support/harness.ts';
import { until } from '../support/poll.ts';
import { Stopwatch } from '../support/stopwatch.ts';

/** Handlers that do not load, hang or die, and the end of a service. */

const limitMs = 60_000;
/** Python, to run before the harness: tracebacks have the time that a slow machine needs for them. */
const dumpsSlowly = 'import tidepool.supervisor as s\ns.DUMP_S = 5';
const plain = 'def handler(request):\n    return request.path\n';

test('a handler that cannot be imported fails with its traceback, once', async () => {
  const sources: Readonly<Record<string, readonly [message: RegExp, traceback: RegExp]>> = {
    'import no_such_module': [/it raised ModuleNotFoundError/, /^Traceback.*\n {2}File ".*\/service\.py", line 1, in/],
    'def handler(:': [/it raised SyntaxError/, /^ {2}File ".*\/service\.py", line 1\n/],
    'exit(0)': [/it raised SystemExit/, /service\.py", line 1/],
    'x = 1': [/^service\.py defines no function `handler`$/, /^$/],
    'handler = 1': [/defines no function/, /^$/],
    'def handler(r): return "\xff"': [/it raised SyntaxError/, /^ {2}File|^SyntaxError/],
  };
  for (const [source, [message, traceback]] of Object.entries(sources)) {
    await using harness = await Harness.start(Buffer.from(source, 'latin1'), { isAwaited: false });
    assert.equal(await harness.exited, 3, source);
    const status = await harness.until(({ state }) => state === 'failed');
    assert.match(status.message, message);
    assert.match(status.traceback, traceback);
    assert.doesNotMatch(status.traceback, /loading\.py/);
    assert.equal(status.restarts, 0);
  }
});

test('a file that is not there is told so', async () => {
  await using harness = await Harness.start(plain, { isAwaited: false, environment: { TIDEPOOL_HANDLER: 'other.py' } });
  assert.equal(await harness.exited, 3);
  const { message } = await harness.until(({ state }) => state === 'failed');
  assert.equal(message, 'other.py cannot be read: No such file or directory');
});

test('wrong settings and a port that is taken are told', async () => {
  await using first = await Harness.start(plain);
  const taken = { PORT: String(first.port) };
  const wrong = { TIDEPOOL_PROCESSES: 'many' };
  for (const [environment, exitCode, message] of [
    [taken, 1, `port ${first.port} cannot be had: Address already in use`],
    [wrong, 2, "TIDEPOOL_PROCESSES is 'many', and must be a number from 1 to 256"],
    [{ TIDEPOOL_PROTOCOL: 'ftp' }, 2, "TIDEPOOL_PROTOCOL is 'ftp', and must be one of http, tcp, udp"],
  ] as const) {
    await using harness = await Harness.start(plain, { isAwaited: false, environment });
    assert.equal(await harness.exited, exitCode);
    assert.equal((await harness.status())?.message, message);
  }
});

test('a handler may be named as a module of Python, and prints to the log', async () => {
  await using harness = await Harness.start(`print("hello from", __name__, flush=True)\n${plain}`, {
    file: 'socket.py',
  });
  assert.equal(await (await harness.fetch('/a')).text(), '/a');
  assert.equal(harness.output, 'hello from handler\n');
});

test('a request that takes too long is reported with the line where it hangs; others are served', async () => {
  const source = `
import os, time

def inner():
    while True:
        time.sleep(0.01)  # hangs here

def handler(request):
    if request.path == "/hang":
        inner()
    return str(os.getpid())
`;
  const environment = { TIDEPOOL_PROCESSES: '2', TIDEPOOL_REQUEST_TIMEOUT_MS: '1000' };
  await using harness = await Harness.start(source, { environment, before: dumpsSlowly });
  const pids = async () => {
    const asked = Array.from({ length: 20 }, async () => {
      const response = await harness.fetch('/', { headers: { Connection: 'close' } });
      return response.text();
    });
    return new Set(await Promise.all(asked));
  };
  await until(pids, ({ size }) => size === 2, limitMs);
  await assert.rejects(harness.fetch('/hang'));
  const status = await harness.until(({ restarts }) => restarts === 1);
  assert.equal(status.state, 'serving');
  assert.match(status.message, /^a request took longer than 1000 ms/);
  assert.match(status.traceback, /^(Current t|T)hread 0x[0-9a-f]+.*\n {2}File ".*service\.py", line 6 in inner\n/);
  assert.match(status.traceback, /line 10 in handler/);
  await until(
    async () => harness.output,
    (output) => output.includes('line 6 in inner'),
    limitMs,
  );
  assert.deepEqual([status.inFlight, status.errors], [0, 1]);
  await until(pids, ({ size }) => size === 2, limitMs);
});

test('a handler that lets no other thread of its process run holds up no other process', async () => {
  const source = `
def handler(request):
    return sum(range(10**12)) if request.path == "/hang" else "well"
`;
  const environment = { TIDEPOOL_PROCESSES: '2', TIDEPOOL_REQUEST_TIMEOUT_MS: '6000' };
  await using harness = await Harness.start(source, { environment, before: dumpsSlowly });
  const hang = assert.rejects(harness.fetch('/hang'));
  await harness.until(({ inFlight }) => inFlight === 1);
  using waited = new Stopwatch();
  for (let i = 0; i < 20; i += 1) {
    assert.match(await harness.exchange('GET / HTTP/1.1\r\nConnection: close\r\n\r\n'), /well$/);
  }
  assert.ok(waited.elapsedMs < 5_000, `${waited.elapsedMs} ms`);
  await hang;
  const status = await harness.until(({ restarts }) => restarts === 1);
  assert.match(status.traceback, /service\.py", line 3 in handler/);
});

test('many requests at once that each work for a while are not taken for a hang', async () => {
  const source = `
import time

def handler(request):
    ends = time.thread_time() + 0.6
    while time.thread_time() < ends:
        pass
    return "done"
`;
  await using harness = await Harness.start(source, {
    environment: { TIDEPOOL_REQUEST_TIMEOUT_MS: '9000' },
    // Where the machine stands still nobody works, and that is not charged for here.
    before: 'import tidepool.watch as w\nw._MAX_STEP_S = 0.3',
  });
  // As many as run at a time: each of them lasts as long as all of their work, which is more than one may.
  const answers = await Promise.all(Array.from({ length: 16 }, async () => (await harness.fetch('/')).text()));
  assert.deepEqual(
    answers,
    Array.from({ length: 16 }, () => 'done'),
  );
  assert.equal((await harness.status())?.restarts, 0);
});

test('a process that crashes is started again, with what is known told', async () => {
  const source = `
import ctypes, os

def handler(request):
    if request.path == "/crash":
        ctypes.string_at(0)
    if request.path == "/exit":
        os._exit(5)
    return "well"
`;
  await using harness = await Harness.start(source);
  assert.equal(await (await harness.fetch('/')).text(), 'well');
  await assert.rejects(harness.fetch('/crash'));
  const crashed = await harness.until(({ restarts }) => restarts === 1);
  assert.match(crashed.message, /^a process was killed by SIGSEGV/);
  assert.match(
    crashed.traceback,
    /^Fatal Python error: Segmentation fault\n\nCurrent thread .*service\.py", line 6 in handler/s,
  );
  await until(
    () => harness.fetch('/').then((response) => response.text(), String),
    (text) => text === 'well',
    limitMs,
  );
  await assert.rejects(harness.fetch('/exit'));
  const exited = await harness.until(({ restarts }) => restarts === 2);
  assert.match(exited.message, /^a process ended with exit code 5/);
  assert.deepEqual([exited.state, exited.requests, exited.errors], ['serving', 4, 2]);
});

test('a service whose processes only die fails in the end', async () => {
  const source = `
import os, threading, time

def die():
    time.sleep(0.05)
    os._exit(9)

threading.Thread(target=die).start()
${plain}`;
  await using harness = await Harness.start(source, { isAwaited: false });
  assert.equal(await harness.exited, 1);
  const status = await harness.until(({ state }) => state === 'failed');
  assert.equal(status.message, 'its processes end again and again; the last one ended with exit code 9');
  assert.equal(status.restarts, 6);
});

test('an import that takes long is told of, with where it is', async () => {
  const source = `import os, time\nwhile not os.path.exists("go"):\n    time.sleep(0.1)\n${plain}`;
  // By then the import has begun, also where a process takes long to start.
  const before = 'import tidepool.supervisor as s\ns.LONG_IMPORT_S = 5';
  await using harness = await Harness.start(source, { isAwaited: false, before });
  const { state, message, traceback } = await harness.until((status) => status.message !== '');
  assert.deepEqual([state, message], ['starting', 'its handler is still being imported']);
  assert.match(traceback, /service\.py", line [23] in <module>/);
  await writeFile(join(harness.folder, 'go'), '');
  const ready = await harness.until((status) => status.state === 'serving');
  assert.deepEqual([ready.message, ready.traceback], ['', '']);
});

test('TERM finishes what is in flight, refuses what is new, and exits with 0', async () => {
  // A process hears in its own time that it is to stop.
  const source = `
import tidepool.pool

def handler(request):
    if request.path == "/slow":
        wait_for_go()
        while not tidepool.pool.stopped:
            time.sleep(0.01)
    return "finished"
${waitsForGo}`;
  const before = `${patient}
import tidepool.pool as p
stop = p.ConnectionPool.stop
p.stopped = []
p.ConnectionPool.stop = lambda pool: p.stopped.append(stop(pool))`;
  await using harness = await Harness.start(source, { environment: { TIDEPOOL_PROCESSES: '2' }, before });
  await harness.fetch('/');
  const slow = harness.fetch('/slow');
  await harness.until(({ inFlight }) => inFlight === 1);
  harness.process.kill('SIGTERM');
  await until(
    () => harness.exchange('').catch(({ code }) => code),
    (code) => code === 'ECONNREFUSED',
    limitMs,
  );
  await harness.letGo();
  const response = await slow;
  assert.deepEqual([await response.text(), response.headers.get('connection')], ['finished', 'close']);
  assert.equal(await harness.exited, 0);
});

test('TERM waits for no request that takes longer than the grace, and for no idle connection', async () => {
  await using harness = await Harness.start('import time\ndef handler(request):\n    time.sleep(60)\n');
  const idle = harness.connect();
  await once(idle, 'connect');
  const cut = assert.rejects(harness.fetch('/'));
  await harness.until(({ inFlight }) => inFlight === 1);
  using waited = new Stopwatch();
  harness.process.kill('SIGTERM');
  assert.equal(await harness.exited, 0);
  // Not for the 60 s that it takes.
  assert.ok(waited.elapsedMs < 20_000, `${waited.elapsedMs} ms`);
  await cut;
  idle.destroy();
});

test('TERM during an import tells where it was', async () => {
  await using harness = await Harness.start('import time\nprint("begun", flush=True)\ntime.sleep(60)\n', {
    isAwaited: false,
    before: dumpsSlowly,
  });
  await until(
    async () => harness.output,
    (output) => output.includes('begun'),
    limitMs,
  );
  harness.process.kill('SIGTERM');
  assert.equal(await harness.exited, 0);
  const status = await harness.until(({ message }) => message !== '');
  assert.match(status.message, /still being imported/);
  assert.match(status.traceback, /service\.py", line [23] in <module>/);
});

test('when the parent is killed its processes go too', async () => {
  await using harness = await Harness.start('import os\ndef handler(request):\n    return str(os.getpid())\n');
  const pid = Number(await (await harness.fetch('/')).text());
  harness.process.kill('SIGKILL');
  assert.equal(await harness.exited, 'SIGKILL');
  await until(
    () => readdir('/proc'),
    (pids) => !pids.includes(String(pid)),
    limitMs,
  );
});

test('a status file that cannot be written stops nothing, and is told once', async () => {
  await using harness = await Harness.start(plain);
  assert.equal((await harness.fetch('/')).status, 200);
  // It is not written again before the next request.
  await harness.until(({ requests, inFlight }) => requests === 1 && inFlight === 0);
  await rm(harness.folder, { recursive: true });
  assert.equal((await harness.fetch('/')).status, 200);
  await until(
    async () => harness.output,
    (output) => output.includes('status file cannot be written'),
    limitMs,
  );
  assert.equal(harness.output.split('cannot be written').length, 2);
  harness.process.kill('SIGTERM');
  assert.equal(await harness.exited, 0);
});
