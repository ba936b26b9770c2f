import { readdir, readFile } from 'node:fs/promises';

/** A process of this machine. Numbers of processes are given again; a number together with a start is not. */
export interface Process {
  readonly pid: number;
  /** Clock ticks from the boot of the machine to the start of the process. */
  readonly startTicks: string;
  /** The command line: the program, then its arguments. Never empty. */
  readonly words: readonly string[];
}

/**
 * Lists all processes of this machine that have a command line. The kernel's own threads have none, and neither has a process that
 * has ended and only waits to be collected.
 */
export async function listProcesses(): Promise<Process[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const all = await Promise.all(pids.map(readProcess));
  return all.filter((one) => one !== undefined);
}

/** Returns the process of this number; undefined when it has ended, also while nobody has collected it yet. */
export async function readProcess(pid: number): Promise<Process | undefined> {
  try {
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').slice(0, -1);
    if (words.length === 0) return undefined;
    return { pid, startTicks: startTicksOf(await readFile(`/proc/${pid}/stat`, 'utf8')), words };
  } catch {
    // It ended meanwhile.
    return undefined;
  }
}

/** Returns whether this very process still runs. */
export async function isAlive({ pid, startTicks }: Process): Promise<boolean> {
  return (await readProcess(pid))?.startTicks === startTicks;
}

/** Lists the processes that were started with exactly this as one of their words. */
export async function processesWith(word: string): Promise<Process[]> {
  return (await listProcesses()).filter(({ words }) => words.includes(word));
}

/** Field 22 of proc_pid_stat(5); the name in field 2 may have blanks and parentheses. */
function startTicksOf(stat: string): string {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
