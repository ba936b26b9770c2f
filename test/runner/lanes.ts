/** A piece of work of a run: a test file, or a command. */
export interface Task<T> {
  /** It starts when nothing else runs, and nothing starts while it runs. */
  readonly isAlone: boolean;
  run(): Promise<T>;
}

/** Runs tasks in their order, `lanes` of them at once. Results come as they end; after an abort nothing further starts. */
export async function* inLanes<T>(tasks: readonly Task<T>[], lanes: number, signal: AbortSignal): AsyncGenerator<T> {
  const waiting = [...tasks];
  const running = new Map<Task<T>, Promise<{ task: Task<T>; result: T }>>();
  const mayStart = (next: Task<T>): boolean =>
    running.size === 0 || (running.size < lanes && !next.isAlone && ![...running.keys()].some((task) => task.isAlone));
  for (;;) {
    for (let next = waiting[0]; next !== undefined && !signal.aborted && mayStart(next); next = waiting[0]) {
      const task = next;
      waiting.shift();
      running.set(
        task,
        task.run().then((result) => ({ task, result })),
      );
    }
    if (running.size === 0) return;
    const { task, result } = await Promise.race(running.values());
    running.delete(task);
    yield result;
  }
}
