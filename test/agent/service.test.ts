import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import type { ServiceReport, ServiceSpec } from '../../src/protocol/agent-service.ts';
import { type AgentVm, startAgentVm, untilHealthy } from '../support/agent-vm.ts';
import { until } from '../support/poll.ts';
import { memoryStore, nextRevision, serviceSpec, serviceTexts, startService } from '../support/services.ts';

// Services in a real VM, asked through the forwarded ports of its second network device.

const answerLimitMs = 60_000;
const command = (script: string): ServiceSpec['entry'] => ({ kind: 'command', argv: ['sh', '-c', script] });

let vm: AgentVm;
before(async () => {
  vm = await startAgentVm({ services: 'tcp' });
});
after(() => vm?.stop());

/** Runs a case with one service that serves, and removes all that it left. */
function check(title: string, body: () => Promise<void>): void {
  test(title, async () => {
    try {
      await body();
    } finally {
      for (const { id } of await vm.serviceLink.services(vm.agent)) await vm.serviceLink.removeService(vm.agent, id);
    }
  });
}

async function start(
  spec: ServiceSpec,
  source = '',
  others: Readonly<Record<string, string>> = {},
): Promise<ServiceReport> {
  const report = await startService(vm.serviceLink, vm.agent, spec, source, others);
  assert.equal(report.state, 'serving', JSON.stringify(report));
  return report;
}

function endpoint(guestPort: number): { host: string; port: number } {
  const found = vm.services.get(guestPort);
  assert.ok(found !== undefined);
  return found;
}

async function get(path: string, port = 8000): Promise<string> {
  const { host, port: hostPort } = endpoint(port);
  const response = await fetch(`http://${host}:${hostPort}${path}`, { signal: AbortSignal.timeout(answerLimitMs) });
  return `${response.status} ${await response.text()}`;
}

const report = (id: string): Promise<ServiceReport> => vm.serviceLink.serviceReport(vm.agent, id);

check('a handler over HTTP: its request, its VM, its environment, its files, its counts', async () => {
  const spec = serviceSpec({ environment: { GREETING: 'hello', PORT: '1' } });
  const source = `import os
from data.words import word

def handler(request):
    return {"path": request.path, "word": word, "greeting": os.environ["GREETING"], "port": os.environ["PORT"],
            "server": request.server, "host": os.uname().nodename, "user": os.getuid(), "folder": os.getcwd()}
`;
  await start(spec, source, { 'data/words.py': "word = 'from another file'\n", 'data/__init__.py': '' });
  const { hostname } = await vm.link.health(vm.agent);
  const [status, ...text] = (await get('/some%20path')).split(' ');
  assert.equal(status, '200');
  assert.deepEqual(JSON.parse(text.join(' ')), {
    ...{ path: '/some path', word: 'from another file', greeting: 'hello', port: '8000' },
    ...{ server: hostname, host: hostname, user: 1000, folder: '/work' },
  });
  const { requests, errors, inFlight } = await until(
    () => report(spec.id),
    (seen) => seen.requests === 1 && seen.inFlight === 0,
    answerLimitMs,
  );
  assert.deepEqual([requests, errors, inFlight], [1, 0, 0]);
});

check('a handler over TCP answers lines', async () => {
  await start(serviceSpec({ protocol: 'tcp' }), 'def handler(request):\n    return request.body.upper()\n');
  const { host, port } = endpoint(8000);
  const socket = connect(port, host);
  socket.write('one\ntwo\n');
  let text = '';
  for await (const chunk of socket) {
    text += String(chunk);
    if (text.length >= 8) break;
  }
  assert.equal(text, 'ONE\nTWO\n');
});

check('any program that listens on $PORT is a service', async () => {
  await start(serviceSpec({ entry: command('exec python3 -m http.server $PORT') }), 'print("a file")\n');
  assert.equal(await get('/app.py'), '200 print("a file")\n');
});

check('a new revision that hangs while it is imported fails, and tells where; the old one serves on', async () => {
  const old = serviceSpec();
  await start(old, "def handler(request):\n    return 'old'\n");
  const next = nextRevision(old);
  const hangs =
    "import time\n\ndef wait():\n    time.sleep(600)\n\nwait()\n\ndef handler(request):\n    return 'new'\n";
  const starting = startService(vm.serviceLink, vm.agent, next, hangs);
  let ended: ServiceReport | undefined;
  void starting.then((seen) => {
    ended = seen;
  });
  await until(
    async () => assert.equal(await get('/'), '200 old'),
    () => ended !== undefined,
    240_000,
  );
  const { state, message, traceback } = await starting;
  assert.equal(state, 'failed');
  assert.match(message, /imported.*60 s/);
  assert.match(traceback, /app\.py", line 4 in wait/);
  assert.equal((await report(old.id)).state, 'serving');
});

check('two revisions answer side by side, and the new one goes on without the old', async () => {
  const old = serviceSpec();
  const next = nextRevision(old);
  await start(old, "def handler(request):\n    return 'old'\n");
  await start(next, "def handler(request):\n    return 'new'\n");
  assert.deepEqual([await get('/'), await get('/', 8001)], ['200 old', '200 new']);
  await vm.serviceLink.removeService(vm.agent, old.id);
  assert.equal(await get('/', 8001), '200 new');
  await assert.rejects(get('/'));
  const third = nextRevision(old, { id: `${old.service}-3`, port: 8000 });
  await start(third, "def handler(request):\n    return 'newest'\n");
  assert.equal(await get('/'), '200 newest');
});

check('a handler that crashes is started again, and told of', async () => {
  const spec = serviceSpec();
  const source =
    "import os\n\ndef handler(request):\n    if request.path == '/crash':\n        os.abort()\n    return 'ok'\n";
  await start(spec, source);
  await assert.rejects(get('/crash'));
  assert.equal(
    await until(
      () => get('/').catch(String),
      (answer) => answer === '200 ok',
      answerLimitMs,
    ),
    '200 ok',
  );
  const seen = await until(
    () => report(spec.id),
    ({ restarts }) => restarts === 1,
    answerLimitMs,
  );
  assert.equal(seen.state, 'serving');
  assert.match(seen.message, /SIGABRT/);
  assert.match(seen.traceback, /line 5 in handler/);
});

check('a handler that raises has answered with an error, and its traceback is there', async () => {
  const spec = serviceSpec();
  await start(spec, "def handler(request):\n    raise KeyError('no such thing')\n");
  assert.match(await get('/'), /^500 /);
  // It is counted first, and its traceback comes by another way.
  const seen = await until(
    () => report(spec.id),
    ({ errors, traceback }) => errors === 1 && traceback !== '',
    answerLimitMs,
  );
  assert.match(seen.traceback, /KeyError: 'no such thing'/);
  assert.deepEqual([seen.state, seen.restarts], ['serving', 0]);
});

check('a request that hangs is ended, and the service goes on', async () => {
  // Long enough for the other requests on a machine that stands still for a moment.
  const spec = serviceSpec({ requestTimeoutMs: 5_000 });
  const source =
    "import time\n\ndef handler(request):\n    if request.path == '/hang':\n        time.sleep(600)\n    return 'ok'\n";
  await start(spec, source);
  await get('/hang').catch(() => undefined);
  assert.equal(
    await until(
      () => get('/').catch(String),
      (answer) => answer === '200 ok',
      answerLimitMs,
    ),
    '200 ok',
  );
  const seen = await until(
    () => report(spec.id),
    ({ restarts }) => restarts > 0,
    answerLimitMs,
  );
  assert.match(seen.message, /longer than 5000 ms/);
  assert.match(seen.traceback, /line 5 in handler/);
});

check('a command that ends is started again, with what it said last', async () => {
  const spec = serviceSpec({ entry: command('exec python3 app.py') });
  const source = `import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/end":
            print("this is the end", file=sys.stderr, flush=True)
            os._exit(7)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")
http.server.HTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
`;
  await start(spec, source);
  await assert.rejects(get('/end'));
  const ended = await until(
    () => report(spec.id),
    ({ restarts }) => restarts === 1,
    answerLimitMs,
  );
  assert.match(ended.message + ended.traceback, /this is the end/);
  const again = await until(
    () => report(spec.id),
    ({ state }) => state === 'serving',
    answerLimitMs,
  );
  assert.match(again.traceback, /this is the end/);
  assert.equal(await get('/'), '200 ok');
  await until(
    () => serviceTexts(vm.serviceLink, vm.agent, spec.id),
    ({ stderr, notice }) => stderr.includes('this is the end') && notice.includes('exit code 7'),
    answerLimitMs,
  );
});

check('when memory runs out one process goes, and the others answer on', async () => {
  const spec = serviceSpec({ processes: 2 });
  const source = `def handler(request):
    if request.path == "/eat":
        return str(len(bytearray(4 << 30)))
    return "ok"
`;
  await start(spec, source.replace('bytearray(4 << 30)', 'b"x" * (4 << 30)'));
  await get('/eat').catch(() => undefined);
  assert.equal(
    await until(
      () => get('/').catch(String),
      (answer) => answer === '200 ok',
      answerLimitMs,
    ),
    '200 ok',
  );
  assert.equal((await report(spec.id)).state, 'serving');
});

check('handlers reach the store of their service, many at a time', async () => {
  const spec = serviceSpec();
  const source = `from tidepool import store

def handler(request):
    key = request.path[1:]
    if request.method == "PUT":
        return store.add(key, request.body)
    return store.get(key) or (404, "none")
`;
  const store = memoryStore();
  const stop = new AbortController();
  const serving = vm.serviceLink.serveStore(vm.agent, store.answer, stop.signal);
  await start(spec, source);
  const { host, port } = endpoint(8000);
  const put = async (key: string): Promise<string> => {
    const options = { method: 'PUT', body: `value of ${key}`, signal: AbortSignal.timeout(answerLimitMs) };
    return (await fetch(`http://${host}:${port}/${key}`, options)).text();
  };
  const keys = Array.from({ length: 40 }, (_, index) => `key-${index}`);
  assert.deepEqual(
    await Promise.all(keys.map(put)),
    keys.map((key) => `value of ${key}`),
  );
  assert.equal(store.values.size, 40);
  assert.equal(await get('/key-7'), '200 value of key-7');
  assert.equal(await get('/other'), '404 none');
  stop.abort();
  await serving;
});

check('after a kill -9 of the agent its services are gone, and can be started again', async () => {
  const spec = serviceSpec();
  await start(spec, "def handler(request):\n    return 'first'\n");
  const store = memoryStore();
  const serving = vm.serviceLink.serveStore(vm.agent, store.answer, new AbortController().signal);
  serving.catch(() => undefined);
  await vm.shell('kill -9 $(cat /sys/fs/cgroup/agent/cgroup.procs)');
  await assert.rejects(serving);
  await untilHealthy(vm.link, vm.agent);
  assert.deepEqual(await vm.serviceLink.services(vm.agent), []);
  await assert.rejects(get('/'));
  await start(spec, "def handler(request):\n    return 'second'\n");
  assert.equal(await get('/'), '200 second');
});
