import assert from 'node:assert/strict';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { after, test } from 'node:test';
import { systemClock } from '../clock/system-clock.ts';
import { type ErrorCode, hasCode, TidepoolError } from '../domain/errors.ts';
import { FakeClock } from '../fake/clock.ts';
import type { ServiceReport, ServiceSpec, StoreAnswer, StoreRequest } from '../protocol/agent-service.ts';
import { Connections } from './connections.ts';
import { says, startHostileAgent } from './hostile-agent.fake.ts';
import { HttpsServiceLink } from './service-link.ts';
import { partingMs } from './store-duplex.ts';

// A guest is hostile until shown otherwise: here it answers what it likes.

const hostile = await startHostileAgent();
const { address: agent } = hostile;
const connections = new Connections();
const link = new HttpsServiceLink(systemClock, connections);
after(() => {
  connections.close();
  hostile.close();
});

const spec: ServiceSpec = {
  id: 'web-1',
  service: 'web',
  protocol: 'http',
  port: 8000,
  runtime: 'python',
  entry: { kind: 'handler', file: 'app.py' },
  environment: {},
  processes: null,
  requestTimeoutMs: 1,
  maxBodyBytes: 1,
};
const report: ServiceReport = {
  id: 'web-1',
  port: 8000,
  state: 'serving',
  message: '',
  traceback: '',
  restarts: 0,
  inFlight: 1,
  requests: 2,
  errors: null,
};

function rejects(promise: Promise<unknown>, code: ErrorCode, message?: string): Promise<void> {
  return assert.rejects(promise, (error) => {
    assert.ok(hasCode(error, code), `not ${code} but ${String(error)}: ${message}`);
    return true;
  });
}

const never = new AbortController().signal;
const echo = async (requests: readonly StoreRequest[]): Promise<StoreAnswer[]> =>
  requests.map(({ id, key }) => ({ id, value: btoa(key), error: '' }));

/** Holds the store's exchange open until its body ends: sends these texts, and gives what comes back to `onText`. */
function storeAgent(
  texts: readonly string[],
  onText: (text: string, response: ServerResponse) => void,
): RequestListener {
  return (request: IncomingMessage, response: ServerResponse) => {
    request.on('error', () => undefined);
    response.writeHead(200).flushHeaders();
    for (const text of texts) response.write(text);
    request.on('data', (chunk: Buffer) => onText(chunk.toString(), response)).on('end', () => response.end());
  };
}

test('reports are read as they are', async () => {
  hostile.answer = says(report);
  assert.deepEqual(await link.startService(agent, spec, []), report);
  assert.deepEqual(await link.serviceReport(agent, 'web-1'), report);
  hostile.answer = says([report]);
  assert.deepEqual(await link.services(agent), [report]);
});

test('answers that are not of the protocol are `upstream`', async () => {
  const wrong = ['', 'null', [], { ...report, id: 'web-2' }, { ...report, port: 9000 }, { ...report, state: 'flying' }];
  for (const body of wrong) {
    hostile.answer = says(body);
    await rejects(link.serviceReport(agent, 'web-1'), 'upstream', JSON.stringify(body));
    await rejects(link.startService(agent, spec, []), 'upstream', JSON.stringify(body));
  }
  hostile.answer = says([report, report, report]);
  await rejects(link.services(agent), 'upstream');
});

test('a count or a text of a report that is out of its range does not cost the rest', async () => {
  hostile.answer = says({ ...report, traceback: 'x'.repeat(20_000), restarts: -1, inFlight: 1e300, requests: '2' });
  const read = { ...report, traceback: 'x'.repeat(16 * 1024), restarts: 0, inFlight: null, requests: null };
  assert.deepEqual(await link.serviceReport(agent, 'web-1'), read);
});

test('output says where it begins, and is not endless', async () => {
  const output = (offset: string | undefined, bytes: number): RequestListener => {
    return (_request, response) => {
      if (offset !== undefined) response.setHeader('tidepool-offset', offset);
      response.end(Buffer.alloc(bytes));
    };
  };
  hostile.answer = output('7', 3);
  assert.deepEqual(await link.serviceOutput(agent, 'web-1', 5), { offset: 7, bytes: Buffer.alloc(3) });
  for (const offset of [undefined, '', '4', '-1', '1e99', 'x']) {
    hostile.answer = output(offset, 3);
    await rejects(link.serviceOutput(agent, 'web-1', 5), 'upstream', offset);
  }
  hostile.answer = output('5', 5 * 1024 * 1024);
  await rejects(link.serviceOutput(agent, 'web-1', 5), 'upstream');
});

test('the store: requests that come together are answered together, and pings by an empty line', async () => {
  const requests = ['a', 'b', 'c'].map((key, id) => `${JSON.stringify({ id, op: 'get', key })}\n`).join('');
  const stop = new AbortController();
  const batches: number[] = [];
  let heard = '';
  hostile.answer = storeAgent([requests], (text, response) => {
    heard += text;
    if (heard.includes('"id":2')) response.write('\n');
    if (heard.includes('}\n\n')) stop.abort();
  });
  const answer = (asked: readonly StoreRequest[]): Promise<StoreAnswer[]> => {
    batches.push(asked.length);
    return echo(asked);
  };
  await link.serveStore(agent, answer, stop.signal);
  assert.deepEqual(batches, [3]);
  const answers = heard.split('\n').filter((line) => line !== '');
  assert.deepEqual(
    answers.map((line) => JSON.parse(line)),
    ['a', 'b', 'c'].map((key, id) => ({ id, value: btoa(key), error: '' })),
  );
});

test('the store: while a batch is answered the next gathers, so a slow store gets larger ones', async () => {
  const stop = new AbortController();
  const batches: number[] = [];
  const line = (id: number): string => `${JSON.stringify({ id, op: 'get', key: 'k' })}\n`;
  let sent = 1;
  hostile.answer = storeAgent([line(0)], () => undefined);
  let respond: ServerResponse | undefined;
  const inner = hostile.answer;
  hostile.answer = (request, response) => {
    respond = response;
    inner(request, response);
  };
  const answer = async (asked: readonly StoreRequest[]): Promise<StoreAnswer[]> => {
    batches.push(asked.length);
    if (batches.length === 2) stop.abort();
    const more: Promise<void>[] = [];
    for (; batches.length === 1 && sent <= 50; sent += 1) {
      more.push(new Promise((resolve) => void respond?.write(line(sent), () => resolve())));
    }
    await Promise.all(more);
    await new Promise((resolve) => setImmediate(resolve));
    return echo(asked);
  };
  await link.serveStore(agent, answer, stop.signal);
  assert.equal(batches[0], 1);
  assert.ok((batches[1] ?? 0) > 1, `${batches}`);
});

test('the store: lines that are no requests are `upstream`', async () => {
  const wrong = [
    'nonsense\n',
    '[]\n',
    '{"id":1,"op":"drop","key":"k"}\n',
    '{"id":-1,"op":"get","key":"k"}\n',
    '{"id":1,"op":"get","key":""}\n',
    `{"id":1,"op":"get","key":"${'x'.repeat(513)}"}\n`,
    '{"id":1,"op":"put","key":"k"}\n',
    '{"id":1,"op":"put","key":"k","value":"no base64!"}\n',
    `{"id":1,"op":"put","key":"k","value":"${'A'.repeat(90_000)}"}\n`,
    'x'.repeat(200_000),
  ];
  for (const text of wrong) {
    hostile.answer = storeAgent([text], () => undefined);
    await rejects(link.serveStore(agent, echo, never), 'upstream', text.slice(0, 50));
  }
});

test('the store: the error of what answers is thrown, a connection that breaks is `unavailable`', async () => {
  hostile.answer = storeAgent(['{"id":1,"op":"get","key":"k"}\n'], () => undefined);
  const full = async (): Promise<never> => {
    throw new TidepoolError('exhausted', 'full');
  };
  await rejects(link.serveStore(agent, full, never), 'exhausted');
  hostile.answer = storeAgent([], (_text, response) => response.destroy());
  await rejects(link.serveStore(agent, echo, never), 'unavailable');
  hostile.answer = says({ code: 'not_found', message: 'no store here' }, 404);
  await rejects(link.serveStore(agent, echo, never), 'not_found');
});

test('the store: an agent that ends it is no error; one that is silent is a timeout', async () => {
  hostile.answer = storeAgent([], (_text, response) => response.end());
  await link.serveStore(agent, echo, never);
  const clock = new FakeClock();
  const heard = Promise.withResolvers<void>();
  hostile.answer = storeAgent([], () => heard.resolve());
  const serving = new HttpsServiceLink(clock, connections).serveStore(agent, echo, never);
  serving.catch(() => undefined);
  await heard.promise;
  await clock.advance(29_000);
  assert.ok(clock.waiting > 0, 'it is still served');
  await clock.advance(1_000);
  await rejects(serving, 'timeout');
});

test('the store: an agent that reads no answers is not sent more and more of them', async () => {
  const line = `${JSON.stringify({ id: 1, op: 'get', key: 'k' })}\n`;
  let answered = 0;
  const stop = new AbortController();
  hostile.answer = (request, response) => {
    request.on('error', () => undefined);
    request.pause();
    response.writeHead(200);
    const send = (left: number): void => {
      if (left === 0 || response.destroyed) return;
      if (response.write(line.repeat(100))) setImmediate(() => send(left - 1));
      else response.once('drain', () => send(left - 1));
    };
    send(2_000);
  };
  const large = async (asked: readonly StoreRequest[]): Promise<StoreAnswer[]> => {
    answered += asked.length;
    return asked.map(({ id }) => ({ id, value: 'A'.repeat(60_000), error: '' }));
  };
  const clock = new FakeClock();
  const serving = new HttpsServiceLink(clock, connections).serveStore(agent, large, stop.signal);
  serving.catch(() => undefined);
  let before = -1;
  // Until no more is answered over some rounds of the loop, once it has begun.
  for (let rounds = 0; rounds < 20 || answered === 0; rounds = before === answered ? rounds + 1 : 0) {
    before = answered;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.ok(answered > 0 && answered <= 1_280, `${answered} of 200,000`);
  stop.abort();
  await clock.advance(partingMs);
  await serving;
});

test('the store: who stops while both sides have much to say ends it, and cuts nothing off', async () => {
  const line = `${JSON.stringify({ id: 1, op: 'get', key: 'k' })}\n`;
  const stop = new AbortController();
  const ended = Promise.withResolvers<string>();
  hostile.answer = (request, response) => {
    const isOver = (how: string) => () => ended.resolve(how);
    request.on('error', isOver('cut off')).on('end', isOver('ended'));
    // It asks for more and more, and begins to read the answers when the other side has stopped.
    request.pause();
    stop.signal.addEventListener('abort', () => setTimeout(() => request.resume(), 100));
    response.writeHead(200);
    const ask = (): void => {
      if (request.readableEnded) response.end();
      else if (response.write(line.repeat(100))) setImmediate(ask);
      else response.once('drain', ask);
    };
    ask();
  };
  const large = async (asked: readonly StoreRequest[]): Promise<StoreAnswer[]> => {
    setTimeout(() => stop.abort(), 200);
    return asked.map(({ id }) => ({ id, value: 'A'.repeat(60_000), error: '' }));
  };
  await link.serveStore(agent, large, stop.signal);
  assert.equal(await ended.promise, 'ended');
});
