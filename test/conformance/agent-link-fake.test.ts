import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/clock/system-clock.ts';
import type { AgentAddress } from '../../src/domain/agent-link.ts';
import { hasCode } from '../../src/domain/errors.ts';
import { FakeAgentLink } from '../../src/fake/agent-link.ts';
import { attemptSpec, collect, readOutput, runScript, startAttempt, textFiles } from '../support/attempts.ts';
import { agentLinkConformance } from './agent-link.ts';

const agent: AgentAddress = { host: '127.0.0.1', port: 9_000, keyId: 'key', key: new Uint8Array(32).fill(1) };

agentLinkConformance('fake agent', async () => {
  const link = new FakeAgentLink(systemClock);
  link.boot(agent);
  return { link, agent, dispose: () => link.close() };
});

test('fake agent: the fault knob fails a call, or cuts a transfer in its middle', async () => {
  const link = new FakeAgentLink(systemClock);
  link.boot(agent);
  link.fault = (call) => (call === 'run' ? 'timeout' : undefined);
  await assert.rejects(runScript(link, agent, "print('x')\n"), (error) => hasCode(error, 'timeout'));
  link.fault = () => undefined;
  const spec = attemptSpec();
  await startAttempt(link, agent, spec, textFiles({ 'x.py': "print('x')\n" }));
  link.fault = (call) => (call === 'output' ? 'unavailable' : undefined);
  await assert.rejects(readOutput(link.output(agent, spec.id, 0)), (error) => hasCode(error, 'unavailable'));
  link.fault = () => undefined;
  assert.equal((await collect(link, agent, spec.id)).stdout, 'x\n');
});

test('fake agent: one that is lost answers nobody, and cuts off who follows it', async () => {
  const link = new FakeAgentLink(systemClock);
  link.boot(agent);
  const spec = attemptSpec();
  await startAttempt(link, agent, spec, textFiles({ 'x.py': 'import time\ntime.sleep(600)\n' }));
  const following = readOutput(link.output(agent, spec.id, 0));
  link.lose(agent);
  await assert.rejects(following, (error) => hasCode(error, 'unavailable'));
  await assert.rejects(link.health(agent), (error) => hasCode(error, 'unavailable'));
});

test('fake agent: a restart loses what runs', async () => {
  const link = new FakeAgentLink(systemClock);
  const fake = link.boot(agent);
  const spec = attemptSpec();
  await startAttempt(link, agent, spec, textFiles({ 'x.py': 'import time\ntime.sleep(600)\n' }));
  fake.restart();
  assert.equal((await link.report(agent, spec.id)).outcome, 'lost');
});
