import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { type AgentVm, startAgentVm } from '../support/agent-vm.ts';
import { nextRevision, serviceSpec, startService } from '../support/services.ts';

// UDP services in a real VM, asked through the gateway of datagrams.

const answerLimitMs = 60_000;
const askAgainMs = 2_000;

let vm: AgentVm;
before(async () => {
  vm = await startAgentVm({ services: 'udp' });
});
after(() => vm?.stop());

async function ask(data: Uint8Array | string, guestPort = 8000): Promise<Buffer> {
  const endpoint = vm.services.get(guestPort);
  assert.ok(endpoint !== undefined);
  // One socket a question: an answer may come twice.
  const socket = createSocket('udp4');
  const send = (): void => socket.send(data, endpoint.port, endpoint.host);
  // A datagram may be lost on the way.
  const again = setInterval(send, askAgainMs);
  try {
    send();
    const [answer, from] = await once(socket, 'message', { signal: AbortSignal.timeout(answerLimitMs) });
    assert.equal(from.port, endpoint.port);
    return answer;
  } finally {
    clearInterval(again);
    socket.close();
  }
}

async function remove(id: string): Promise<void> {
  await vm.serviceLink.removeService(vm.agent, id);
}

test('a handler answers datagrams of all sizes, from many peers at once', async () => {
  const spec = serviceSpec({ protocol: 'udp', maxBodyBytes: 65_536 });
  const source = 'def handler(request):\n    return request.body[::-1]\n';
  assert.equal((await startService(vm.serviceLink, vm.agent, spec, source)).state, 'serving');
  assert.equal((await ask('abc')).toString(), 'cba');
  for (const size of [1, 1_472, 1_473, 1_500, 9_000, 60_000])
    assert.equal((await ask('x'.repeat(size))).length, size, `${size} bytes`);
  const texts = Array.from({ length: 50 }, (_, count) => `text ${count}`);
  const answers = await Promise.all(texts.map((text) => ask(text)));
  assert.deepEqual(
    answers.map(String),
    texts.map((text) => [...text].reverse().join('')),
  );
  await remove(spec.id);
});

test('any program that listens on $PORT is a service, two revisions side by side', async () => {
  const source = `import os, socket
socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
socket.bind(("0.0.0.0", int(os.environ["PORT"])))
while True:
    data, peer = socket.recvfrom(2000)
    socket.sendto(data + b" from " + peer[0].encode() + b" at " + os.environ["PORT"].encode(), peer)
`;
  const spec = serviceSpec({ protocol: 'udp', entry: { kind: 'command', argv: ['python3', 'app.py'] } });
  const next = nextRevision(spec);
  for (const each of [spec, next])
    assert.equal((await startService(vm.serviceLink, vm.agent, each, source)).state, 'serving');
  assert.equal((await ask('abc')).toString(), 'abc from 10.0.3.2 at 8000');
  assert.equal((await ask('abc', 8001)).toString(), 'abc from 10.0.3.2 at 8001');
  await remove(spec.id);
  assert.equal((await ask('abc', 8001)).toString(), 'abc from 10.0.3.2 at 8001');
  await remove(next.id);
});
