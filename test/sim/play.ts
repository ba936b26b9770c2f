import { answerCalls } from '../../src/fake/apart-thread.ts';
import { type Played, Simulation } from './run.ts';

/** Plays one seed. */
export async function play(seed: number): Promise<Played> {
  return (await Simulation.make(seed)).run();
}

answerCalls({ play });
