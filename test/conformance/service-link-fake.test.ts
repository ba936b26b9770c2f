import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/clock/system-clock.ts';
import type { AgentAddress } from '../../src/domain/agent-link.ts';
import { hasCode } from '../../src/domain/errors.ts';
import { FakeClock } from '../../src/fake/clock.ts';
import { FakeServiceLink } from '../../src/fake/service-link.ts';
import { textFiles } from '../support/attempts.ts';
import { memoryStore, serviceSpec, startService } from '../support/services.ts';
import { serviceLinkConformance } from './service-link.ts';

const agent: AgentAddress = { host: '127.0.0.1', port: 9_000, keyId: 'key', key: new Uint8Array(32).fill(1) };
const serves = "def handler(request):\n    return 'ok'\n";

serviceLinkConformance('fake services', async () => {
  const link = new FakeServiceLink(systemClock);
  link.boot(agent);
  return { link, agent, dispose: async () => link.lose(agent) };
});

test('fake services: the fault knob fails a call', async () => {
  const link = new FakeServiceLink(systemClock);
  link.boot(agent);
  link.fault = (call, _agent, id) => (call === 'startService' && id.startsWith('bad') ? 'timeout' : undefined);
  const start = (service: string) => startService(link, agent, serviceSpec({ service }), serves);
  await assert.rejects(start('bad'), (error) => hasCode(error, 'timeout'));
  assert.equal((await start('good')).state, 'serving');
});

test('fake services: a crash starts it again, a restart of the agent leaves nothing', async () => {
  const link = new FakeServiceLink(systemClock);
  const fake = link.boot(agent);
  const spec = serviceSpec();
  await startService(link, agent, spec, serves);
  fake.get(spec.id).crash();
  const { state, restarts } = await startService(link, agent, spec, serves);
  assert.deepEqual([state, restarts], ['serving', 1]);
  fake.restart();
  assert.deepEqual(await link.services(agent), []);
});

test('fake services: who serves the store of a lost VM is cut off', async () => {
  const link = new FakeServiceLink(systemClock);
  link.boot(agent);
  const serving = link.serveStore(agent, memoryStore().answer, new AbortController().signal);
  link.lose(agent);
  await assert.rejects(serving, (error) => hasCode(error, 'unavailable'));
});

test("fake services: what never listens fails after its time, by the clock's time", async () => {
  const clock = new FakeClock();
  const link = new FakeServiceLink(clock);
  link.boot(agent, { startMs: 2_000 });
  const hangs = serviceSpec({ entry: { kind: 'command', argv: ['sleep', '600'] } });
  const late = serviceSpec({ service: hangs.service, id: `${hangs.service}-2`, port: 8001 });
  await link.startService(agent, hangs, []);
  await link.startService(agent, late, textFiles({ 'app.py': `time.sleep(20)\n${serves}` }));
  const states = async () => (await link.services(agent)).map(({ state }) => state);
  await clock.advance(21_999);
  assert.deepEqual(await states(), ['starting', 'starting']);
  await clock.advance(1);
  assert.deepEqual(await states(), ['starting', 'serving']);
  await clock.advance(40_000);
  assert.deepEqual(await states(), ['failed', 'serving']);
});
