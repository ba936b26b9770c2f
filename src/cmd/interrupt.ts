/** Fires at the first Ctrl-C or TERM, so that a build cleans up before the process ends. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => controller.abort());
  return controller.signal;
}

/** The interrupts of a process that has much to end. */
export interface Interrupts {
  /** Fires at the first Ctrl-C or TERM. */
  readonly first: AbortSignal;
  readonly firstCame: Promise<void>;
}

/** As a shell reports a process that Ctrl-C ended. */
const interruptedExitCode = 130;

/**
 * Watches for Ctrl-C and TERM. The second one ends the process at once, whatever is under way.
 * @param onSecond what is done before that, without waiting for anything
 */
export function watchInterrupts(onSecond: () => void): Interrupts {
  const first = new AbortController();
  const firstCame = Promise.withResolvers<void>();
  const onSignal = (): void => {
    if (first.signal.aborted) {
      onSecond();
      process.exit(interruptedExitCode);
    }
    first.abort();
    firstCame.resolve();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return { first: first.signal, firstCame: firstCame.promise };
}
