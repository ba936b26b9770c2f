import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policiesNamed } from '../autoscaler/presets.ts';
import { usualPace } from '../pool/context.ts';
import { Simulation } from './run.ts';
import { makeScenario } from './scenario.ts';

test('with the pace of a live pool, heartbeats and all, every second goes as it does in the simulator', async () => {
  const requests = Array.from({ length: 24 }, (_, i) => 8_000 * (1.2 + Math.sin(i / 3)) + (i % 7 === 0 ? 20_000 : 0));
  const scenario = makeScenario({ startMs: 0, stepMs: 60_000, requests }, {});
  for (const name of ['predict', 'mean30-80', 'target']) {
    const play = async (pace?: typeof usualPace): Promise<string[]> => {
      const seconds: string[] = [];
      const hooks = {
        onSecond: ({ pool }: { pool: { ready: number; booting: number; size: number } }) => {
          seconds.push(`${pool.ready} ready, ${pool.booting} booting of ${pool.size}`);
        },
        ...(pace === undefined ? {} : { pace }),
      };
      await new Simulation(scenario, policiesNamed([name])).run(name, hooks);
      return seconds;
    };
    const live = await play(usualPace);
    assert.ok(new Set(live).size > 5, 'the pool moves');
    assert.deepEqual(await play(), live);
  }
});
