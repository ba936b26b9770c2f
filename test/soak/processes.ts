import { readdir, readFile } from 'node:fs/promises';

/** A process of this machine: its number comes again, together with its start it does not. */
export interface Process {
  readonly pid: number;
  /** Clock ticks from the boot of the machine to the start of the process. */
  readonly startTicks: string;
  readonly words: readonly string[];
}

/** All processes whose command line has a word with this text in it. */
export async function processesWith(text: string): Promise<Process[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const all = await Promise.all(pids.map(readProcess));
  return all.filter((one) => one !== undefined).filter(({ words }) => words.some((word) => word.includes(text)));
}

/** The process of this number; undefined when it has ended, also when nobody has collected it yet. */
export async function readProcess(pid: number): Promise<Process | undefined> {
  try {
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').slice(0, -1);
    if (words.length === 0) return undefined;
    return { pid, startTicks: startTicksOf(await readFile(`/proc/${pid}/stat`, 'utf8')), words };
  } catch {
    return undefined;
  }
}

export async function isAlive({ pid, startTicks }: Process): Promise<boolean> {
  return (await readProcess(pid))?.startTicks === startTicks;
}

/** Sends a signal to a process that may have ended meanwhile. */
export async function signal(process_: Process, name: NodeJS.Signals): Promise<void> {
  if (!(await isAlive(process_))) return;
  try {
    process.kill(process_.pid, name);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Field 22 of proc_pid_stat(5); the name in field 2 may have blanks and parentheses. */
function startTicksOf(stat: string): string {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
