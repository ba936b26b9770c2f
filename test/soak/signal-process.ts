import { isAlive, type Process } from '../../src/processes/process-table.ts';

/** Sends a signal to a process that may have ended meanwhile. */
export async function signalProcess(target: Process, signal: NodeJS.Signals): Promise<void> {
  if (!(await isAlive(target))) return;
  try {
    process.kill(target.pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
