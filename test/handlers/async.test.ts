import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { askByDatagram, Harness } from '../support/harness.ts';

/** Handlers that are `async def`. */

const source = `
import asyncio
from tidepool import Reject

started = asyncio.Event()

async def deep():
    await asyncio.sleep(1000)

async def handler(request):
    if request.path == "/wait":
        await started.wait()
    if request.path == "/go":
        started.set()
    if request.path == "/raise":
        await asyncio.sleep(0)
        raise ValueError("x")
    if request.path == "/reject":
        raise Reject("no", 409)
    if request.path == "/cancel":
        asyncio.current_task().cancel()
        await asyncio.sleep(1)
    if request.path == "/hang":
        await deep()
    if request.path == "/block":
        while True:
            pass
    return {"path": request.path}
`;
let harness: Harness;
before(async () => {
  harness = await Harness.start(source);
});
after(() => harness[Symbol.asyncDispose]());

test('requests that await run together on one loop', async () => {
  const waiting = Array.from({ length: 20 }, async () => (await harness.fetch('/wait')).status);
  await harness.until(({ inFlight }) => inFlight === 20);
  assert.equal((await harness.fetch('/go')).status, 200);
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set([200]));
});

test('what they raise is answered as for plain handlers', async () => {
  const ask = async (path: string) => {
    const response = await harness.fetch(path);
    return [response.status, await response.text()];
  };
  assert.deepEqual(await ask('/a'), [200, '{"path":"/a"}']);
  assert.deepEqual(await ask('/raise'), [500, '{"error": "the handler raised ValueError"}']);
  assert.deepEqual(await ask('/reject'), [409, '{"error": "no"}']);
  assert.deepEqual(await ask('/cancel'), [500, '{"error": "the handler raised CancelledError"}']);
});

/** Tasks tell where they wait in their own time, and a slow machine takes more of it. */
const isShort = {
  environment: { TIDEPOOL_REQUEST_TIMEOUT_MS: '1000' },
  before: 'import tidepool.supervisor as s\ns.DUMP_S = 5',
};

test('a request that awaits for too long is reported with the place where it waits', async () => {
  await using own = await Harness.start(source, isShort);
  await assert.rejects(own.fetch('/hang'));
  const status = await own.until(({ restarts }) => restarts === 1);
  assert.match(status.traceback, /^Task \(.*service\.py", line 8, in deep\n/ms);
  await own.until(({ state }) => state === 'serving');
});

test('and so is one that blocks the loop', async () => {
  await using own = await Harness.start(source, isShort);
  await assert.rejects(own.fetch('/block'));
  const status = await own.until(({ restarts }) => restarts === 1);
  assert.match(status.traceback, /^(Current t|T)hread.*\n {2}File ".*service\.py", line 2[67] in handler\n/);
});

test('an object may be the handler, over udp as well', async () => {
  const object = `
class Handler:
    async def __call__(self, request):
        return request.body * 2

handler = Handler()
`;
  await using own = await Harness.start(object, { protocol: 'udp' });
  assert.equal(String(await askByDatagram(own.port, Buffer.from('ab'))), 'abab');
});

test('a plain function that returns a coroutine is told to be async', async () => {
  await using own = await Harness.start('async def work(): pass\ndef handler(request): return work()\n');
  const response = await own.fetch('/');
  assert.equal(response.status, 500);
  assert.match(await response.text(), /type coroutine/);
});
