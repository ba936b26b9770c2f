import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { alternate, type Bench, type BenchContext, type Series } from './harness.ts';
import type { Figures } from './load/figures.ts';

const run = promisify(execFile);
const seconds = 3;
const limitMs = 30_000;
const folder = join(import.meta.dirname, 'load');

/**
 * Both against the same server process, each on a core of its own: no pipelining, as many connections, as fast as they
 * can. Counted by the second of CPU time, so that what else the machine does at the time is left out.
 */
const load: Bench = {
  name: 'load',
  question: 'how many requests does the load client make in a second of one core?',
  unit: 'requests/s',
  atLeast: 1,
  run: async (context) => {
    const server = spawn(...onCore(1, ['server.ts']), { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const port = await firstLine(server);
      return [await compare(context, port, 10), await compare(context, port, 100)];
    } finally {
      server.kill();
    }
  },
};

async function compare(context: BenchContext, port: string, connections: number): Promise<Series> {
  const side = (script: string) => async (): Promise<number> => {
    const args = [script, port, String(connections), String(seconds)];
    const options = { cwd: folder, signal: context.signal, timeout: limitMs };
    const { stdout } = await run(...onCore(0, args), options);
    const { ok, failed, seconds: took, cpuSeconds }: Figures = JSON.parse(stdout);
    if (failed > 0) throw new Error(`${script}: ${failed} requests failed`);
    const share = Math.round((cpuSeconds / took) * 100);
    context.log(`${script}, ${connections} connections: ${Math.round(ok / took)} requests/s with ${share} % of a core`);
    return ok / cpuSeconds;
  };
  return {
    variant: `${connections}-connections`,
    ...(await alternate(context, side('client.ts'), side('autocannon.ts'))),
  };
}

/** This Node with these arguments, kept on one core where there are two. */
function onCore(core: number, args: readonly string[]): [command: string, args: string[]] {
  if (availableParallelism() < 2) return [process.execPath, [...args]];
  return ['taskset', ['--cpu-list', String(core), process.execPath, ...args]];
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the server has no output');
  const [line] = await once(createInterface(child.stdout), 'line', { signal: AbortSignal.timeout(limitMs) });
  return line;
}

export default load;
