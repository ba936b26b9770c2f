import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { HttpsAgentLink } from '../../src/agentlink/agent-link.ts';
import { says, startHostileAgent } from '../../src/agentlink/hostile-agent.fake.ts';
import { systemClock } from '../../src/clock/system-clock.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { faultOf } from '../../src/jobs/fault.ts';
import { SimServer } from '../sim/server.ts';
import { World } from '../sim/world.ts';
import { attemptSpec, textFiles } from '../support/attempts.ts';

/** What an agent from before the number of the protocol answered, as it was recorded. It knows no newer route. */
const recorded: Readonly<Record<string, unknown>> = {
  'GET /v1/health': {
    ...{
      hostname: 'default-0000',
      version: '7c1f2a90b3d4',
      bootId: '0d3c',
      uptimeMs: 5_000,
      clockMs: 1_780_000_000_000,
    },
    ...{ runtimes: ['python'], capacity: { cpus: 2, memoryBytes: 3_000_000_000, diskBytes: 8_000_000_000 } },
    ...{ runningAttempts: 1, isWarmingUp: false },
  },
  'POST /v1/attempts': {
    ...{ id: 'job-1-1', state: 'preparing', startedAtMs: null, endedAtMs: null, outcome: null, exitCode: null },
    ...{ signal: null, syntaxProblem: null, message: '', wallMs: null, cpuMs: null, peakMemoryBytes: null },
    ...{ outputLogBytes: 0, outputTruncated: false, producedFiles: 0, limitsHit: [] },
  },
};

const oldAgent: RequestListener = (request, response) => {
  const known = recorded[`${request.method} ${request.url}`];
  if (known !== undefined) return says(known)(request, response);
  says({ code: 'not_found', message: `there is no ${request.method} ${request.url}` }, 404)(request, response);
};

test('an agent from before the protocol had a number is known as such, and what it answers is no job’s fault', async (t) => {
  const agent = await startHostileAgent();
  const link = new HttpsAgentLink(systemClock);
  t.after(async () => {
    await link.close();
    agent.close();
  });
  agent.answer = oldAgent;
  const health = await link.health(agent.address);
  assert.deepEqual([health.protocol, health.capacity.slots, health.runtimes], [0, 256, ['python']]);
  const spec = { ...attemptSpec(), id: 'job-1-1' };
  const calls: Readonly<Record<string, () => Promise<unknown>>> = {
    run: async () => {
      const output = link.run(agent.address, spec, textFiles({ 'x.py': "print('x')\n" }));
      for await (const _ of output);
    },
    output: async () => {
      for await (const _ of link.output(agent.address, spec.id, 0));
    },
    report: () => link.report(agent.address, spec.id),
    stop: () => link.stop(agent.address, spec.id),
  };
  for (const [name, call] of Object.entries(calls)) {
    const thrown = await call().then(
      () => assert.fail(`${name} succeeded`),
      (error: unknown) => error,
    );
    const fault = faultOf(thrown);
    assert.deepEqual([name, fault.of, fault.consequence], [name, 'worker', 'give_back']);
  }
});

test('VMs with such an agent are replaced one at a time, and no job is lost, running or queued', async () => {
  const world = await World.make(1);
  world.bootMs = () => 3_000;
  const settings = { min: 3, max: 3, warm: 0, paused: false, policies: [] };
  const begin = async (): Promise<SimServer> => {
    const made = new SimServer(world, { settings, maxParallelLaunches: 3, minLifetimeMs: 0, maxAttempts: 3 });
    await made.start();
    return made;
  };
  const earlier = await begin();
  await world.clock.advance(10_000);
  const submit = async (server: SimServer, id: string, seconds: number): Promise<void> => {
    const job = queuedJob({ id, createdAtMs: world.clock.now() });
    const scriptBlob = `time.sleep(${seconds})\nprint('done')`;
    await world.store.jobs.insert({ ...job, spec: { ...job.spec, scriptBlob } });
    server.changes.notify('queue');
  };
  const running = ['job-a', 'job-b', 'job-c'];
  for (const id of running) await submit(earlier, id, 40);
  await world.clock.advance(5_000);
  earlier.kill();

  // The upgrade: these agents do not know the new routes, and the rows are from before the number.
  const old = new Set<string>();
  for (const vm of await world.store.vms.list()) {
    old.add(vm.keyId);
    await world.store.vms.learn(vm.name, vm.keyId, { protocol: null });
  }
  const { health } = world.agents;
  world.agents.health = async (agent, ...rest) => {
    const answer = await health.call(world.agents, agent, ...rest);
    return old.has(agent.keyId) ? { ...answer, protocol: 0 } : answer;
  };
  const known = ['health', 'setClock', 'attempts', 'remove'];
  world.agents.fault = (call, agent) => (old.has(agent.keyId) && !known.includes(call) ? 'not_found' : undefined);
  const server = await begin();
  const queued = ['job-x', 'job-y', 'job-z'];
  for (const id of queued) await submit(server, id, 5);
  for (let second = 0; second < 600; second += 1) {
    await world.clock.advance(1_000);
    const vms = await world.store.vms.list();
    const leaving = vms.filter(({ keyId, state }) => old.has(keyId) && state !== 'ready').length;
    const inService = vms.filter(({ state }) => state === 'ready' || state === 'draining').length;
    assert.ok(inService >= 3, `${inService} VMs in service after ${second} s`);
    assert.ok(leaving <= 1, `${leaving} VMs leave at one time`);
    if (vms.length === 3 && vms.every(({ keyId, state }) => !old.has(keyId) && state === 'ready')) break;
  }
  await world.clock.advance(300_000);
  for (const id of [...running, ...queued]) {
    const job = await world.store.jobs.get(id);
    assert.equal(job?.state, 'succeeded', `${id}: ${job?.result?.message}`);
  }
  assert.ok((await world.store.vms.list()).every(({ keyId, protocol }) => !old.has(keyId) && protocol === 1));
  assert.deepEqual(world.violations, []);
  const stopped = server.stop();
  await world.clock.advance(30_000);
  await stopped;
  await world.store.close();
});
