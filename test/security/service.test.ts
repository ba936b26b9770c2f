import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ServiceSpec } from '../../src/protocol/agent-service.ts';
import { type AgentVm, startAgentVm } from '../support/agent-vm.ts';
import { textFiles } from '../support/attempts.ts';
import { until } from '../support/poll.ts';
import { memoryStore, serviceSpec, startService } from '../support/services.ts';
import { assertAnswered, assertUnharmed, watchHealth } from './sandbox-vm.ts';

// Services that try to get out, to hurt the agent, or to use up what there is. Each time the agent must answer meanwhile, and
// an ordinary service and an ordinary job must run afterwards.

const MiB = 1024 * 1024;
const answerLimitMs = 60_000;
const fine = "def handler(request):\n    return 'fine'\n";

let vm: AgentVm;
before(async () => {
  vm = await startAgentVm({ services: 'tcp' });
});
after(() => vm?.stop());

function attack(title: string, body: () => Promise<void>): void {
  test(title, async () => {
    const watch = watchHealth(vm);
    try {
      await body();
    } finally {
      for (const { id } of await vm.serviceLink.services(vm.agent)) await vm.serviceLink.removeService(vm.agent, id);
      await watch().catch(() => undefined);
    }
    assertAnswered(await watch());
    const spec = serviceSpec();
    assert.equal((await startService(vm.serviceLink, vm.agent, spec, fine)).state, 'serving');
    assert.equal(await ask('/'), 'fine');
    await vm.serviceLink.removeService(vm.agent, spec.id);
    await assertUnharmed(vm);
  });
}

function attackFile(name: string): Promise<string> {
  return readFile(fileURLToPath(new URL(`attacks/${name}`, import.meta.url)), 'utf8');
}

async function start(source: string, fields: Partial<ServiceSpec> = {}): Promise<ServiceSpec> {
  const spec = serviceSpec({ requestTimeoutMs: answerLimitMs, ...fields });
  const report = await startService(vm.serviceLink, vm.agent, spec, source);
  assert.equal(report.state, 'serving', JSON.stringify(report));
  return spec;
}

async function ask(path: string, body?: string): Promise<string> {
  const endpoint = vm.services.get(8000);
  const signal = AbortSignal.timeout(answerLimitMs);
  const options = body === undefined ? { signal } : { method: 'POST', body, signal };
  return (await fetch(`http://${endpoint?.host}:${endpoint?.port}${path}`, options)).text();
}

const report = (id: string) => vm.serviceLink.serviceReport(vm.agent, id);
const seconds = (count: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, count * 1_000));

attack('from its network nothing can be reached, and nothing of it changed', async () => {
  const heard: string[] = [];
  const server = createServer((socket) => {
    heard.push('a connection');
    socket.destroy();
  }).listen(0, '127.0.0.1');
  const socket = createSocket('udp4', () => heard.push('a datagram')).bind(0, '127.0.0.1');
  await Promise.all([once(server, 'listening'), once(socket, 'listening')]);
  try {
    await start(await attackFile('run_body.py'));
    const tcp = [(server.address() as AddressInfo).port, vm.agent.port, vm.services.get(8001)?.port];
    const targets = `targets = ${JSON.stringify({ tcp, udp: [socket.address().port] })}\n`;
    assert.equal(await ask('/', targets + (await attackFile('service_network.py'))), 'end\n');
    assert.deepEqual(heard, []);
  } finally {
    server.close();
    socket.close();
  }
});

attack('it is as shut in as a job: what is forbidden is refused', async () => {
  await start(await attackFile('run_body.py'));
  const could = (await ask('/', await attackFile('forbidden.py'))).split('\n');
  // What a service has beyond a job: a folder to share with the agent (with a status that is just being written), and its device.
  const own = [/^could list \/run\/tidepool \[('(store\.sock|status\.json|status\.json\.new)'(, )?){2,3}\]$/];
  own.push(/^could see network devices \['lo', 'eth1'\]$/);
  const rest = could.filter((line) => !own.some((pattern) => pattern.test(line)));
  assert.deepEqual([could.length - rest.length, rest], [2, ['1000', 'end', '']]);
});

attack('whatever it writes in place of its status, the agent reports what it can believe', async () => {
  const spec = serviceSpec();
  const source = await attackFile('service_status.py');
  const started = await startService(vm.serviceLink, vm.agent, spec, source);
  assert.notEqual(started.state, 'failed', JSON.stringify(started));
  for (let count = 0; count < 50; count += 1) {
    const { traceback, message } = await report(spec.id);
    assert.ok(!`${traceback}${message}`.includes('root:'), 'it made the agent read a file of the guest');
    await seconds(0.1);
  }
  assert.equal(await ask('/'), 'end');
});

attack('a flood of requests to the store stays its own trouble', async () => {
  const store = memoryStore();
  store.values.set('large', 'A'.repeat(87_380));
  const stop = new AbortController();
  const spec = await start(await attackFile('service_store.py'));
  assert.equal(await ask('/start'), 'started');
  await seconds(3); // Nobody serves the store.
  const serving = vm.serviceLink.serveStore(vm.agent, store.answer, stop.signal);
  await seconds(5);
  assert.equal((await report(spec.id)).state, 'serving');
  const memory = await vm.shell(
    'for pid in $(cat /sys/fs/cgroup/agent/cgroup.procs); do grep VmRSS /proc/$pid/status; done',
  );
  const largestKiB = Math.max(...[...memory.matchAll(/VmRSS:\s+(\d+) kB/g)].map(([, size]) => Number(size)));
  assert.ok(largestKiB < 250 * 1024, `the agent uses ${largestKiB} KiB`);
  stop.abort();
  await serving;
});

attack('endless output is held back, and the newest of it kept', async () => {
  const source = `import os, sys, threading
def write(number):
    while True:
        os.write(number, b"x" * 65536)
for number in (1, 2):
    threading.Thread(target=write, args=(number,), daemon=True).start()
${fine}`;
  const spec = await start(source);
  const startedAtMs = performance.now();
  const first = await vm.serviceLink.serviceOutput(vm.agent, spec.id, 0);
  await seconds(4);
  const second = await vm.serviceLink.serviceOutput(vm.agent, spec.id, 0);
  const tookMs = performance.now() - startedAtMs;
  assert.ok(second.bytes.length <= MiB + 100_000);
  const perSecond = ((second.offset + second.bytes.length - first.offset - first.bytes.length) * 1_000) / tookMs;
  assert.ok(perSecond > 0 && perSecond < 4 * MiB, `${perSecond} bytes a second`);
});

attack('disk and memory have limits', async () => {
  await start(await attackFile('run_body.py'), { processes: 2 });
  const fill = (path: string): string => `import os
with open(${JSON.stringify(path)}, "wb") as file:
    try:
        os.posix_fallocate(file.fileno(), 0, 2 << 30)
        print("could")
    except OSError as error:
        print(error.strerror)
os.unlink(${JSON.stringify(path)})
`;
  for (const path of ['/work/fill', '/run/tidepool/fill'])
    assert.match(await ask('/', fill(path)), /Disk quota exceeded|No space left/, path);
  await ask('/', 'data = b"x" * (8 << 30)\n').catch(() => undefined);
  await ask('/', 'open("/tmp/fill", "wb").write(b"x" * (600 << 20))\n').catch(() => undefined);
  assert.equal(
    await until(
      () => ask('/', 'print(1)').catch(String),
      (answer) => answer === '1\n',
      answerLimitMs,
    ),
    '1\n',
  );
});

attack('processes without end', async () => {
  const source = `import os, threading
def bomb():
    while True:
        try:
            if os.fork() == 0:
                continue
        except OSError:
            pass
threading.Thread(target=bomb, daemon=True).start()
${fine}`;
  await vm.serviceLink.startService(vm.agent, serviceSpec(), textFiles({ 'app.py': source }));
  await seconds(8);
});

attack('it kills all that it can, and is started again', async () => {
  const spec = await start(`import os, signal\n\ndef handler(request):\n    os.kill(-1, signal.SIGKILL)\n`);
  await ask('/').catch(() => undefined);
  const again = await until(
    () => report(spec.id),
    ({ restarts }) => restarts > 0,
    answerLimitMs,
  );
  assert.ok(again.restarts > 0);
  assert.equal(
    (
      await until(
        () => report(spec.id),
        ({ state }) => state === 'serving',
        answerLimitMs,
      )
    ).state,
    'serving',
  );
});
