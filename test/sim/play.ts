import { answerCalls } from '../../src/fake/apart-thread.ts';
import { type Played, Simulation } from './run.ts';

/** Plays one seed. */
export async function play(seed: number): Promise<Played> {
  return (await Simulation.make(seed)).run();
}

// Errors are part of a simulation, and their stacks, which nobody sees, would be a part of its cost.
Error.stackTraceLimit = 0;
answerCalls({ play });
