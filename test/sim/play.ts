import { answerCalls } from '../../src/fake/apart-thread.ts';
import { Simulation } from './run.ts';

/** Plays one seed. Resolves with what went wrong. */
export async function play(seed: number): Promise<string | undefined> {
  return (await Simulation.make(seed)).run();
}

answerCalls({ play });
