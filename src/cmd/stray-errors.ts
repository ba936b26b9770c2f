/**
 * The last resort for an error that nobody awaits: it is logged with its stack, and the process goes on. Such an error is a
 * mistake of ours in one place, and ending the process would make it one of all jobs and services. Going on is safe: what must
 * be kept is in transactions, and every loop reads what is again. (An exception that nobody catches still ends the process:
 * what it left half done in memory is not known.)
 */
export function reportStrayErrors(log: (message: string) => void): void {
  process.on('unhandledRejection', (reason) => {
    log(`a mistake in Tidepool: an error that nobody handles; please report it: ${stackOf(reason)}`);
  });
}

function stackOf(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}
