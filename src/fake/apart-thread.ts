import { parentPort } from 'node:worker_threads';
import type { ApartAnswer, ApartCall } from './apart.ts';

/** Answers the calls of an `Apart`, one after the other. A module that is called apart ends with this; elsewhere it does nothing. */
export function answerCalls(functions: Readonly<Record<string, unknown>>): void {
  let turn: Promise<void> = Promise.resolve();
  parentPort?.on('message', (call: ApartCall) => {
    turn = turn.then(async () => parentPort?.postMessage(await answer(functions, call)));
  });
}

async function answer(
  functions: Readonly<Record<string, unknown>>,
  { id, name, args }: ApartCall,
): Promise<ApartAnswer> {
  try {
    const called = functions[name];
    if (typeof called !== 'function') throw new TypeError(`${name} is not answered here`);
    return { id, value: await called(...args) };
  } catch (thrown) {
    return { id, error: thrown instanceof Error ? thrown : new Error(String(thrown)) };
  }
}
