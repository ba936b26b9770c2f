import { Worker } from 'node:worker_threads';

/** What is asked of the thread, and what it answers. */
export interface ApartCall {
  readonly id: number;
  readonly name: string;
  readonly args: readonly unknown[];
}
export type ApartAnswer = { readonly id: number } & ({ readonly value: unknown } | { readonly error: Error });

/**
 * Calls functions of a module on a thread of its own. For tests of long simulations: node:test watches every promise on the
 * thread of its tests, which makes code with many promises 1.6 times as slow. Arguments and results are copied. The module
 * hands its functions to `answerCalls` (apart-thread.ts).
 */
export class Apart<Module> implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #calls = 0;

  constructor(module: URL) {
    this.#worker = new Worker(module);
    this.#worker.on('message', (answer: ApartAnswer) => {
      const call = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ('error' in answer) call?.reject(answer.error);
      else call?.resolve(answer.value);
    });
    this.#worker.on('error', (error: Error) => {
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    });
  }

  /** Calls one exported function; the result or error is the function's own. */
  call<Name extends keyof Module & string>(
    name: Name,
    ...args: Module[Name] extends (...args: infer Args) => unknown ? Args : never
  ): Promise<Module[Name] extends (...args: never[]) => infer Result ? Awaited<Result> : never> {
    const id = this.#calls;
    this.#calls += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (value) => resolve(value as never), reject });
      this.#worker.postMessage({ id, name, args } satisfies ApartCall);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}
