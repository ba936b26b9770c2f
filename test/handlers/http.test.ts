import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { after, before, test } from 'node:test';
import { Harness, waitsForGo } from '../support/harness.ts';

/** What handlers get and answer over HTTP, asked from outside. */

const source = `
import asyncio
from tidepool import Reject, Request, Response

class Odd: pass

answers = {
    "/str": lambda r: "grüße",
    "/bytes": lambda r: b"\\0\\xff",
    "/dict": lambda r: {"a": [1, None, "ü"]},
    "/list": lambda r: [1, 2],
    "/none": lambda r: None,
    "/tuple": lambda r: (201, {"made": True}),
    "/headers": lambda r: (200, "<p>", {"Content-Type": "text/html", "X-Own": "yes"}),
    "/response": lambda r: Response({"a": 1}, status=202, headers={"X-Own": "yes"}),
    "/redirect": lambda r: Response(status=303, headers={"Location": "/str"}),
    "/request": lambda r: {"method": r.method, "path": r.path, "query": r.query, "headers": r.headers,
                           "body": r.body.decode("latin-1"), "server": r.server, "client": r.client},
    "/json": lambda r: {"was": r.json()},
    "/reject": lambda r: (_ for _ in ()).throw(Reject("not like this", 422)),
    "/raise": lambda r: 1 / 0,
    "/exit": lambda r: exit(7),
    "/object": lambda r: Odd(),
    "/number": lambda r: 7,
    "/nested": lambda r: {"a": Odd()},
    "/nan": lambda r: {"a": float("nan")},
    "/surrogate": lambda r: "\\ud800",
    "/surrogate-json": lambda r: {"a": "\\ud800"},
    "/status": lambda r: (99, "x"),
    "/status-type": lambda r: ("200", "x"),
    "/long-tuple": lambda r: (1, 2, 3, 4),
    "/injection": lambda r: (200, "x", {"X-Own": "a\\r\\nSet-Cookie: b"}),
    "/length": lambda r: (200, "x", {"Content-Length": "7"}),
    "/bad-reject": lambda r: (_ for _ in ()).throw(Reject("x", 200)),
    "/slow": lambda r: wait_for_go() or "slow",
}

def handler(request: Request):
    return answers.get(request.path, lambda r: (404, {"error": "unknown"}))(request)
${waitsForGo}`;

let harness: Harness;
before(async () => {
  harness = await Harness.start(source);
});
after(() => harness[Symbol.asyncDispose]());

async function answer(path: string, init: RequestInit = {}): Promise<[number, string | null, string]> {
  const response = await harness.fetch(path, { redirect: 'manual', ...init });
  return [response.status, response.headers.get('content-type'), await response.text()];
}

test('each type of answer is sent as what it is', async () => {
  assert.deepEqual(await answer('/str'), [200, 'text/plain; charset=utf-8', 'grüße']);
  assert.deepEqual(await answer('/dict'), [200, 'application/json', '{"a":[1,null,"ü"]}']);
  assert.deepEqual(await answer('/list'), [200, 'application/json', '[1,2]']);
  assert.deepEqual(await answer('/none'), [204, null, '']);
  assert.deepEqual(await answer('/tuple'), [201, 'application/json', '{"made":true}']);
  assert.deepEqual(await answer('/headers'), [200, 'text/html', '<p>']);
  const bytes = await harness.fetch('/bytes');
  assert.deepEqual([...new Uint8Array(await bytes.arrayBuffer())], [0, 255]);
  const askedAtMs = Date.now();
  const response = await harness.fetch('/response');
  assert.deepEqual([response.status, response.headers.get('x-own'), await response.json()], [202, 'yes', { a: 1 }]);
  const redirect = await harness.fetch('/redirect', { redirect: 'manual' });
  assert.deepEqual([redirect.status, redirect.headers.get('location')], [303, '/str']);
  const date = Date.parse(response.headers.get('date') ?? '');
  // In whole seconds.
  assert.ok(date > askedAtMs - 1_000 && date <= Date.now(), `${date}, asked at ${askedAtMs}`);
});

test('a handler sees all of the request', async () => {
  const init = { method: 'PATCH', body: 'some text', headers: { 'X-Twice': 'a, b', 'Content-Type': 'text/odd' } };
  const [, , text] = await answer('/request?a=1&b=%C3%BC+x&a=2&c=', init);
  const { headers, ...rest } = JSON.parse(text);
  assert.deepEqual(rest, {
    method: 'PATCH',
    path: '/request',
    query: { a: '2', b: 'ü x', c: '' },
    body: 'some text',
    server: 'vm-1',
    client: '127.0.0.1',
  });
  assert.equal(headers['x-twice'], 'a, b');
  assert.equal(headers['content-type'], 'text/odd');
  assert.deepEqual(await answer('/%6Eone'), [204, null, '']);
});

test('a body that is no JSON is the client’s mistake, and so is what the handler rejects', async () => {
  assert.equal((await answer('/json', { method: 'POST', body: '{"a":1}' }))[2], '{"was":{"a":1}}');
  for (const body of ['{', '', '\xff', '['.repeat(100_000)]) {
    const [status, , text] = await answer('/json', { method: 'POST', body });
    assert.equal(status, 400);
    assert.match(JSON.parse(text).error, /^the body is not JSON/);
  }
  assert.deepEqual(await answer('/reject'), [422, 'application/json', '{"error": "not like this"}']);
});

test('what cannot be sent is an error that names it, and an exception one that tells no more than its type', async () => {
  const errors = {
    '/object': /type Odd/,
    '/number': /type int/,
    '/nested': /type Odd/,
    '/nan': /JSON/,
    '/surrogate': /a str that cannot be sent.*surrogates/,
    '/surrogate-json': /a dict that cannot be sent.*surrogates/,
    '/status': /status 99/,
    '/status-type': /status '200'/,
    '/long-tuple': /tuple of 4/,
    '/injection': /header 'X-Own'/,
    '/length': /header Content-Length/,
    '/raise': /^the handler raised ZeroDivisionError$/,
    '/exit': /^the handler raised SystemExit$/,
    '/bad-reject': /^the handler raised Reject$/,
  };
  const before = await harness.status();
  for (const [path, expected] of Object.entries(errors)) {
    const [status, type, text] = await answer(path);
    assert.deepEqual([path, status, type], [path, 500, 'application/json']);
    assert.match(JSON.parse(text).error, expected, path);
  }
  const failed = Object.keys(errors).length;
  const status = await harness.until(({ errors }) => errors === (before?.errors ?? 0) + failed);
  assert.equal(status.restarts, 0);
});

test('tracebacks begin in the handler’s own file, and of very many errors some are shown', async () => {
  // All within one window of those that are shown, however slow the machine is.
  await using own = await Harness.start(source, { before: 'import tidepool.error_log as e\ne.WINDOW_S = 600' });
  const ask = async (path: string) => (await own.fetch(path)).status;
  assert.equal(await ask('/injection'), 500);
  // An error is counted a moment before its traceback is told.
  const unsendable = await own.until(({ errors, traceback }) => errors === 1 && traceback !== '');
  assert.match(unsendable.traceback, /^tidepool\.answers\.Unsendable: the handler returned the header 'X-Own' with/);
  assert.equal(await ask('/raise'), 500);
  const raised = await own.until(({ errors, traceback }) => errors === 2 && traceback !== unsendable.traceback);
  assert.match(raised.traceback, /^Traceback[^\n]+\n {2}File ".*service\.py", line \d+, in handler\n/);
  assert.match(raised.traceback, /ZeroDivisionError: division by zero\n$/);
  await Promise.all(Array.from({ length: 50 }, () => ask('/raise')));
  await own.until(({ errors }) => errors === 52);
  assert.equal(own.output.match(/^ZeroDivisionError/gm)?.length, 9);
  assert.doesNotMatch(own.output, /invoker\.py/);
});

test('a connection is kept, also after an error of the handler, and ended when the client says so', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = (path: string) =>
    new Promise<[number | undefined, number | undefined]>((resolve, reject) => {
      const outgoing = request({ host: '127.0.0.1', port: harness.port, path, agent }, (response) => {
        response.resume().on('end', () => resolve([response.statusCode, outgoing.socket?.localPort]));
      });
      outgoing.on('error', reject).end();
    });
  const answers = [
    await ask('/str'),
    await ask('/raise'),
    await ask('/unknown'),
    await ask('/none'),
    await ask('/str'),
  ];
  agent.destroy();
  assert.deepEqual(
    answers.map(([status]) => status),
    [200, 500, 404, 204, 200],
  );
  assert.equal(new Set(answers.map(([, port]) => port)).size, 1);
  assert.match(await harness.exchange('GET /str HTTP/1.1\r\nConnection: close\r\n\r\n'), /Connection: close/);
  assert.match(await harness.exchange('GET /str HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 OK/);
});

test('requests that come at once on one connection are answered in their order', async () => {
  const one = (path: string) => `POST ${path} HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}`;
  const last = 'HEAD /str HTTP/1.1\r\nConnection: close\r\n\r\n';
  const text = await harness.exchange(one('/json') + one('/none') + one('/str') + last);
  assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 204', 'HTTP/1.1 200', 'HTTP/1.1 200']);
  // The answer to HEAD has the length, and no body.
  assert.match(text, /Content-Length: 7\r\nConnection: close\r\n\r\n$/);
});

test('slow requests do not hold up a quick one', async () => {
  const slow = [harness.fetch('/slow'), harness.fetch('/slow')];
  await harness.until(({ inFlight }) => inFlight === 2);
  assert.equal((await harness.fetch('/str')).status, 200);
  await harness.letGo();
  assert.deepEqual(await Promise.all(slow.map(async (each) => (await each).text())), ['slow', 'slow']);
});

test('more connections than a process has threads all get their turn', async () => {
  const ask = 'GET /str HTTP/1.1\r\n\r\n';
  const sockets = Array.from({ length: 150 }, () => harness.connect());
  const answered = await Promise.all(
    sockets.map(async (socket) => {
      socket.write(ask);
      let text = '';
      for await (const chunk of socket) {
        text += chunk;
        if (text.length >= 15) break;
      }
      return text.slice(0, 15);
    }),
  );
  assert.deepEqual(new Set(answered), new Set(['HTTP/1.1 200 OK']));
});

test('the health check is answered by the harness', async () => {
  assert.deepEqual(await answer('/-/health'), [200, 'application/json', '{"status": "ok", "server": "vm-1"}']);
});
