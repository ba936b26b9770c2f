import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { ReadStream, WriteStream } from 'node:tty';
import { hasCode, TidepoolError } from '../domain/errors.ts';
import { recordingLineSchema } from '../protocol/recording.ts';
import { ApiClient } from './client.ts';
import { exampleAtMs, exampleEvent, examplePool, exampleUsage } from './top/cloud.fake.ts';
import type { TopClock } from './top/feed.ts';
import { type TopHost, top } from './top.ts';

/** Longer waits are limits of time, which no test here lets pass. */
const longWaitMs = 5_000;
const altScreenOn = '\x1b[?1049h';
const altScreenOff = '\x1b[?1049l';

let server: Server;
let folder = '';
/** How often the usage was asked for; the server is away while this says so. */
let asked = 0;
let isAway: (asked: number) => boolean = () => false;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidepool-top-'));
  server = createServer(answer).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

function answer(request: IncomingMessage, response: ServerResponse): void {
  const path = (request.url ?? '').replace('/api/v1', '');
  if (path.startsWith('/events/stream')) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const event = exampleEvent(8);
    response.write(path.includes('after=8') ? ': nothing new\n\n' : `data: ${JSON.stringify(event)}\n\n`);
    return;
  }
  if (path.startsWith('/usage')) asked += 1;
  if (isAway(asked)) return void response.destroy();
  const bodies: Record<string, unknown> = {
    '/pools': { pools: [examplePool()], queuedJobs: 0 },
    '/pools/default': examplePool(),
    '/usage': { vms: [exampleUsage('vm-0000', [0.5, 0.98])] },
    '/jobs': { jobs: [], nextCursor: null },
    '/events': { events: [exampleEvent(7)], nextCursor: null },
  };
  const body = bodies[path.replace(/\?.*/, '')];
  const problem = { type: '', title: '', status: 404, detail: 'there is no pool', code: 'not_found', details: {} };
  response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body ?? problem));
}

/** A clock on which waits pass as soon as everything else that can happen has happened. */
function quickClock(): TopClock {
  let nowMs = exampleAtMs + 60_000;
  return {
    now: () => nowMs,
    async sleep(ms, signal) {
      if (ms >= longWaitMs) {
        await new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => reject(new TidepoolError('aborted', 'given up')));
        });
      }
      await setImmediate();
      nowMs += ms;
    },
  };
}

type TestStdin = ReadStream & { write(key: string): boolean };

function host(changes: Partial<TopHost> = {}): TopHost & { output(): string; stdin: TestStdin } {
  const stdout = new PassThrough();
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  let output = '';
  stdout.on('data', (chunk) => {
    output += chunk;
  });
  return {
    stdin: Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => undefined }) as unknown as ReadStream &
      PassThrough,
    stdout: stdout as unknown as WriteStream,
    clock: quickClock(),
    withColor: true,
    connect: async () => ({ client: new ApiClient({ url, token: 't' }), server: url }),
    signal: new AbortController().signal,
    atExit: () => undefined,
    output: () => output,
    ...changes,
  };
}

test('without a terminal: a line a second for each pool, and a recording', async () => {
  isAway = () => false;
  const path = join(folder, 'a.jsonl');
  const process = host();
  await top(process, { interval: '1s', for: '3s', record: path });
  const lines = process.output().trimEnd().split('\n');
  assert.equal(lines.length, 4);
  assert.match(
    lines[0] ?? '',
    /^12:00:0\d {2}default {2}desired 2 ready 1 warm 0 .* CPU vm-0000 98 % {2}grows from 1 to 2/,
  );
  const recorded = (await readFile(path, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => recordingLineSchema.parse(JSON.parse(line)));
  assert.deepEqual(
    recorded.slice(0, 3).map((line) => line.type),
    ['header', 'decision', 'sample'],
  );
  assert.equal(recorded.filter((line) => line.type === 'sample').length, 4);
  // Event 7 was before the start.
  assert.ok(recorded.every((line) => line.type !== 'event' || line.id === 8));
});

test('what happens while the recording is being opened is in it', async () => {
  isAway = () => false;
  const path = join(folder, 'early.jsonl');
  const process = host();
  const { client, server: url } = await process.connect();
  let streams = 0;
  // There at once, before any file can be.
  client.eventStream = async () => {
    streams += 1;
    const text = streams === 1 ? `data: ${JSON.stringify(exampleEvent(8))}\n\n` : ': nothing new\n\n';
    return ReadableStream.from([new TextEncoder().encode(text)]) as ReadableStream<Uint8Array>;
  };
  const connect = async () => ({ client, server: url });
  await top({ ...process, connect }, { interval: '1s', for: '3s', record: path });
  const recorded = (await readFile(path, 'utf8')).trimEnd().split('\n');
  const events = recorded.map((line) => recordingLineSchema.parse(JSON.parse(line))).filter((line) => 'id' in line);
  assert.deepEqual(
    events.map(({ id }) => id),
    [8],
  );
});

test('a server that goes away is said once, and it goes on when it is back', async () => {
  asked = 0;
  isAway = (count) => count > 2 && count < 6;
  const process = host();
  await top(process, { interval: '1s', for: '8s', plain: true });
  const lines = process.output().trimEnd().split('\n');
  const away = lines.findIndex((line) => /disconnected: /.test(line));
  assert.ok(away > 0, process.output());
  assert.equal(lines.filter((line) => /disconnected/.test(line)).length, 1);
  assert.match(lines.at(-1) ?? '', /default {2}desired 2/);
});

test('on a terminal the screen is taken, and given back at q', async () => {
  isAway = () => false;
  const process = host();
  Object.assign(process.stdout, { isTTY: true, columns: 80, rows: 24 });
  process.stdout.once('data', () => process.stdin.write('q'));
  await top(process, { interval: '1s' });
  assert.ok(process.output().startsWith(altScreenOn));
  assert.ok(process.output().endsWith(altScreenOff));
  assert.match(process.output(), /POOL/);
});

test('what cannot be is refused before the screen is taken', async () => {
  isAway = () => false;
  for (const options of [{ interval: '1ms' }, { interval: '1s', pool: 'nope' }, { interval: '1s', record: folder }]) {
    const process = host();
    Object.assign(process.stdout, { isTTY: true });
    await assert.rejects(top(process, options), (error) => hasCode(error, 'invalid') || hasCode(error, 'not_found'));
    assert.equal(process.output(), '');
  }
});
