import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Hypervisor, MachineStats } from '../domain/hypervisor.ts';
import { FakeClock } from '../fake/clock.ts';
import { mostSamples, Sampler } from './sampler.ts';

function stats(name: string, cpuTimeNs: bigint): MachineStats {
  const none = { diskReadBytes: 0, diskWriteBytes: 0, networkReceiveBytes: 0, networkTransmitBytes: 0 };
  return { name, state: 'running', vcpus: 1, cpuTimeNs, cpuDelayNs: null, memoryBytes: 2, memoryRssBytes: 1, ...none };
}

test('all machines together have a bounded number of samples, and machines that are gone have none', async () => {
  const clock = new FakeClock();
  let count = 20_000;
  let cpuTimeNs = 0n;
  const hypervisor = {
    stats: async () => {
      cpuTimeNs += 500_000_000n;
      return Array.from({ length: count }, (_, number) => stats(`m${number}`, cpuTimeNs));
    },
  } as unknown as Hypervisor;
  const sampler = new Sampler(hypervisor, clock);
  const each = mostSamples / count;
  for (let second = 0; second < each + 5; second += 1) {
    await sampler.sample();
    await clock.advance(1_000);
  }
  assert.equal(sampler.usages('m7', 0).length, each);
  assert.equal(sampler.usages('m7', 0).at(-1)?.cpu, 0.5);
  count = 1;
  await sampler.sample();
  assert.deepEqual(sampler.usages('m7', 0), []);
});
