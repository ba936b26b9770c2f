import { policiesNamed, presets } from '../autoscaler/presets.ts';
import { answerCalls } from '../fake/apart-thread.ts';
import { Simulation, type SimulationResult } from './run.ts';
import { makeScenario } from './scenario.ts';

/** The same numbers between 0 and 1 each time (a linear congruential generator). */
function randoms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Normal, mean 0, standard deviation 1 (Box and Muller). */
function gauss(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

const random = randoms(7);
const noise = (share: number) => 1 + share * gauss(random);
const sine = (i: number, period: number) => 1.1 + Math.sin((2 * Math.PI * i) / period);

/** Requests per step of loads that have nothing to do with those that the policies are compared on in the documentation. */
export const shapes: Readonly<Record<string, { stepMs: number; steps: number; at(i: number): number }>> = {
  sine: { stepMs: 60_000, steps: 240, at: (i) => sine(i, 240) },
  'noisy sine': { stepMs: 60_000, steps: 240, at: (i) => sine(i, 240) * noise(0.05) },
  'flash crowd': {
    stepMs: 60_000,
    steps: 240,
    at: (i) => (i < 100 ? 0.2 : 0.2 + Math.exp((100 - i) / 40)) * noise(0.02),
  },
  steps: { stepMs: 60_000, steps: 240, at: (i) => [0.5, 1, 0.3, 0.8][Math.floor(i / 60)] ?? 0 },
  sawtooth: { stepMs: 60_000, steps: 240, at: (i) => 0.2 + (i % 60) / 60 },
  'on and off': { stepMs: 60_000, steps: 240, at: (i) => (Math.floor(i / 20) % 2 === 0 ? 1 : 0.1) },
  'week with weekend': { stepMs: 300_000, steps: 84, at: (i) => sine(i, 12) * (i < 60 ? 1 : 0.4) * noise(0.03) },
  'seconds of noise': { stepMs: 1_000, steps: 7_200, at: (i) => sine(i, 7_200) * noise(0.1) },
  'ten seconds of noise': { stepMs: 10_000, steps: 1_440, at: (i) => sine(i, 1_440) * noise(0.05) },
};

/** Returns the result of every preset on one of these loads, the best first. The numbers depend on the order of the calls. */
export async function comparePresets(name: string): Promise<SimulationResult[]> {
  const shape = shapes[name];
  if (shape === undefined) throw new RangeError(`there is no load ${name}`);
  const { stepMs, steps, at } = shape;
  const requests = Array.from({ length: steps }, (_, i) => Math.max(0, 10_000 * at(i)));
  const scenario = makeScenario({ startMs: 0, stepMs, requests }, {});
  const results: SimulationResult[] = [];
  for (const policy of presets) {
    results.push(await new Simulation(scenario, policiesNamed([policy.name])).run(policy.name));
  }
  return results.sort((a, b) => b.elasticSpeedup - a.elasticSpeedup);
}

answerCalls({ comparePresets });
