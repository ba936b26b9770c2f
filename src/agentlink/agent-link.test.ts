import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { after, test } from 'node:test';
import { systemClock } from '../clock/system-clock.ts';
import { type ErrorCode, hasCode, TidepoolError } from '../domain/errors.ts';
import { FakeClock } from '../fake/clock.ts';
import {
  type AttemptReport,
  type AttemptSpec,
  agentProtocol,
  newReport,
  reportTrailer,
  stateHeader,
} from '../protocol/agent.ts';
import type { FileEntry } from '../protocol/file-stream.ts';
import { HttpsAgentLink } from './agent-link.ts';
import { says, startHostileAgent } from './hostile-agent.fake.ts';

// A guest is hostile until shown otherwise: here it answers what it likes.

const hostile = await startHostileAgent();
const { server, address: agent } = hostile;
let connections = 0;
server.on('secureConnection', () => {
  connections += 1;
});
const link = new HttpsAgentLink(systemClock);
after(async () => {
  await link.close();
  hostile.close();
});

const spec: AttemptSpec = {
  id: 'job-1',
  runtime: 'python',
  entrypoint: 'x.py',
  args: [],
  environment: {},
  network: false,
  image: null,
  limits: { cpus: 1, memoryBytes: 1, processes: 1, diskBytes: 1, outputBytes: 1, timeoutMs: 1 },
};
const report: AttemptReport = { ...newReport('job-1'), state: 'running', startedAtMs: 1 };
const health = {
  hostname: 'h',
  version: 'v',
  protocol: agentProtocol,
  bootId: 'b',
  uptimeMs: 1,
  clockMs: 1,
  runtimes: ['python'],
  capacity: { cpus: 1, memoryBytes: 1, diskBytes: 1, slots: 1 },
  runningAttempts: 0,
  isWarmingUp: false,
};

function portOf(listening: { address(): AddressInfo | string | null }): number {
  const address = listening.address();
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}

function isCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert.ok(hasCode(error, code), `not ${code} but ${String(error)}`);
    return true;
  };
}

async function drain(chunks: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0;
  for await (const chunk of chunks) size += chunk.length;
  return size;
}

test('one connection serves many calls', async () => {
  hostile.answer = says(health);
  await link.health(agent);
  const before = connections;
  for (let i = 0; i < 5; i += 1) assert.deepEqual(await link.health(agent), health);
  assert.equal(connections, before);
});

test('answers that are not of the protocol are `upstream`', async () => {
  const wrong = [
    '',
    'no JSON',
    'null',
    [],
    { ...report, id: 'job-2' },
    { ...report, state: 'flying' },
    { ...report, id: 'x'.repeat(65) },
    'x'.repeat(9 * 1024 * 1024),
  ];
  for (const body of wrong) {
    hostile.answer = says(body);
    await assert.rejects(link.report(agent, 'job-1'), isCode('upstream'), JSON.stringify(body).slice(0, 80));
  }
  for (const body of [[], { ...health, capacity: 7 }, { ...health, runtimes: 'python' }]) {
    hostile.answer = says(body);
    await assert.rejects(link.health(agent), isCode('upstream'), JSON.stringify(body));
  }
});

test('what the protocol does not know is dropped from an answer', async () => {
  hostile.answer = says({ ...report, surprise: true });
  assert.deepEqual(await link.report(agent, 'job-1'), report);
});

test('a coded error comes through; any other refusal is `upstream`', async () => {
  hostile.answer = says({ code: 'conflict', message: 'it runs' }, 409);
  await assert.rejects(link.report(agent, 'job-1'), isCode('conflict'));
  hostile.answer = says({ code: 'made_up', message: '' }, 400);
  await assert.rejects(link.report(agent, 'job-1'), isCode('upstream'));
  hostile.answer = says('<html>', 500);
  await assert.rejects(link.report(agent, 'job-1'), isCode('upstream'));
  hostile.answer = says('x'.repeat(100_000), 500);
  await assert.rejects(link.report(agent, 'job-1'), isCode('upstream'));
});

test('nobody there, another key, or no TLS at all are `unavailable`', async () => {
  await assert.rejects(link.health({ ...agent, key: Buffer.alloc(32, 2) }), isCode('unavailable'));
  const plain = createTcpServer((socket) =>
    socket
      .on('error', () => undefined)
      .resume()
      .end('HTTP/1.1 200 OK\r\n\r\n'),
  );
  plain.listen(0, '127.0.0.1');
  await once(plain, 'listening');
  const address = { ...agent, port: portOf(plain) };
  await assert.rejects(link.health(address), isCode('unavailable'));
  plain.close();
  await once(plain, 'close');
  await assert.rejects(link.health(address), isCode('unavailable'));
});

test('an agent that does not answer is a `timeout`, by the clock', async () => {
  const clock = new FakeClock();
  const impatient = new HttpsAgentLink(clock);
  const asked = new Promise<void>((resolve) => {
    hostile.answer = () => resolve();
  });
  const call = impatient.health(agent);
  const judged = assert.rejects(call, isCode('timeout'));
  await asked;
  await clock.advance(20_000);
  await judged;
  await impatient.close();
});

test('a caller that gives up is `aborted`, also while it waits', async () => {
  const giveUp = new AbortController();
  hostile.answer = () => giveUp.abort();
  await assert.rejects(drain(link.output(agent, 'job-1', 0, { signal: giveUp.signal })), isCode('aborted'));
});

test('a connection that was closed while idle is replaced unseen', async () => {
  hostile.answer = says(health);
  await link.health(agent);
  server.closeIdleConnections();
  assert.deepEqual(await link.health(agent), health);
});

test('output that is cut is `unavailable`, and what came before was passed on', async () => {
  hostile.answer = (_request, response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('0123456789', () => response.destroy());
  };
  let size = 0;
  const follow = async (): Promise<void> => {
    for await (const chunk of link.output(agent, 'job-1', 0)) size += chunk.length;
  };
  await assert.rejects(follow(), isCode('unavailable'));
  assert.equal(size, 10);
});

test('after a long silence the output is asked for anew from where it stopped', async () => {
  const clock = new FakeClock();
  const patient = new HttpsAgentLink(clock);
  const asked: string[] = [];
  let silent: () => void = () => undefined;
  const wentSilent = new Promise<void>((resolve) => {
    silent = resolve;
  });
  hostile.answer = ({ url }, response) => {
    asked.push(url ?? '');
    response.writeHead(200).write('01234');
    if (asked.length === 2) endsWith(response, { ...report, state: 'ended' });
  };
  let size = 0;
  const following = (async () => {
    for await (const chunk of patient.output(agent, 'job-1', 7)) {
      size += chunk.length;
      silent();
    }
  })();
  await wentSilent;
  // The wait for more begins after the consumer asked for it.
  await new Promise((resolve) => setImmediate(resolve));
  await clock.advance(61_000);
  await following;
  assert.deepEqual([size, ...asked.map((url) => url.split('?')[1])], [10, 'offset=7', 'offset=12']);
  await patient.close();
});

function endsWith(response: ServerResponse, last: unknown): void {
  response.addTrailers({ [reportTrailer]: typeof last === 'string' ? last : JSON.stringify(last) });
  response.end();
}

test('output that does not end with a report of the end is `upstream`', async () => {
  const lasts = ['', 'no JSON', report, { ...report, id: 'job-2', state: 'ended' }];
  for (const last of lasts) {
    hostile.answer = (_request, response) => {
      response.write('x');
      endsWith(response, last);
    };
    await assert.rejects(drain(link.output(agent, 'job-1', 0)), isCode('upstream'), JSON.stringify(last));
  }
  hostile.answer = says('x');
  await assert.rejects(drain(link.output(agent, 'job-1', 0)), isCode('upstream'));
});

test('leaving the output early closes its connection', async () => {
  const closed = new Promise<void>((resolve) => {
    hostile.answer = (_request, response) => {
      response.on('close', resolve);
      response.write('x');
    };
  });
  for await (const _chunk of link.output(agent, 'job-1', 0)) break;
  await closed;
});

test('files that are cut, or no file stream, are an error', async () => {
  const none = async (): Promise<void> => undefined;
  hostile.answer = says('{"path":"a","size":5}\nabc');
  await assert.rejects(link.files(agent, 'job-1', none), isCode('upstream'));
  hostile.answer = says('garbage\n');
  await assert.rejects(link.files(agent, 'job-1', none), isCode('upstream'));
  hostile.answer = says('{"path":"../../etc/passwd","size":1}\nx{"end":true,"files":1}\n');
  await assert.rejects(link.files(agent, 'job-1', none), isCode('upstream'));
  hostile.answer = (_request, response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('{"path":"a","size":50}\nabc', () => response.destroy());
  };
  await assert.rejects(link.files(agent, 'job-1', none), isCode('unavailable'));
});

test("the taker's own error ends the transfer and is the one that is thrown", async () => {
  hostile.answer = says('{"path":"a","size":1}\nx{"end":true,"files":1}\n');
  const full = async (): Promise<void> => {
    throw new TidepoolError('too_large', 'full');
  };
  await assert.rejects(link.files(agent, 'job-1', full), isCode('too_large'));
});

test("a source file's error ends the upload and is the one that is thrown", async () => {
  hostile.answer = (request) => void request.resume().on('error', () => undefined);
  const broken: FileEntry = { path: 'x.py', size: 5, content: failing() };
  await assert.rejects(drain(link.run(agent, spec, [broken])), isCode('not_found'));
});

async function* failing(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('x');
  throw new TidepoolError('not_found', 'there is no such blob');
}

test('a refusal in the middle of an upload is understood, and ends the upload', async () => {
  hostile.answer = (_request, response) => {
    response.writeHead(413).end(JSON.stringify({ code: 'too_large', message: 'too much' }));
  };
  let sentBytes = 0;
  const endless = async function* (): AsyncGenerator<Uint8Array> {
    for (;;) {
      sentBytes += 65_536;
      yield Buffer.alloc(65_536);
    }
  };
  const file: FileEntry = { path: 'x.py', size: 1e12, content: endless() };
  await assert.rejects(drain(link.run(agent, spec, [file])), isCode('too_large'));
  assert.ok(sentBytes < 1e9);
});

test('an upload goes out as the protocol has it', async () => {
  const got: Buffer[] = [];
  hostile.answer = (request, response) => {
    request.on('data', (chunk: Buffer) => got.push(chunk));
    request.on('end', () => {
      response.write('x');
      endsWith(response, { ...report, state: 'ended' });
    });
  };
  const content = (async function* () {
    yield Buffer.from('hello');
  })();
  await drain(link.run(agent, spec, [{ path: 'x.py', size: 5, content }]));
  const body = Buffer.concat(got).toString();
  assert.equal(body, `${JSON.stringify(spec)}\n{"path":"x.py","size":5}\nhello{"end":true,"files":1}\n`);
});

test('what goes into a path is encoded', async () => {
  let url = '';
  hostile.answer = (request, response) => {
    url = request.url ?? '';
    says({ code: 'not_found', message: '' }, 404)(request, response);
  };
  await assert.rejects(link.remove(agent, ['a-1', '../health?x']), isCode('not_found'));
  assert.equal(url, '/v1/attempts?ids=a-1,..%2Fhealth%3Fx');
  await assert.rejects(drain(link.output(agent, 'a/b', 0)), isCode('not_found'));
  assert.equal(url, '/v1/attempts/a%2Fb/output?offset=0');
});

test('an attempt that is long in preparing is asked for again, and is told to run once it does', async () => {
  const asked: string[] = [];
  hostile.answer = ({ method, url }, response) => {
    asked.push(`${method} ${url}`);
    if (asked.length < 3) {
      response.writeHead(202).end();
      return;
    }
    response.writeHead(200, { [stateHeader]: 'running' }).write('01234');
    endsWith(response, { ...report, state: 'ended' });
  };
  let running = 0;
  const onRunning = (): void => {
    running += 1;
  };
  assert.equal(await drain(link.run(agent, spec, [], { onRunning })), 5);
  assert.equal(running, 1);
  const again = 'GET /v1/attempts/job-1/output?offset=0';
  assert.deepEqual(asked, ['POST /v1/attempts', again, again]);
});

test('so many attempts are removed that one path would be too long for', async () => {
  const ids = Array.from({ length: 250 }, (_, index) => `attempt-${'x'.repeat(50)}-${index}`);
  const removed: string[] = [];
  hostile.answer = ({ url }, response) => {
    removed.push(...(new URL(url ?? '', 'http://agent').searchParams.get('ids') ?? '').split(','));
    response.writeHead(204).end();
  };
  await link.remove(agent, ids);
  assert.deepEqual(removed, ids);
});
