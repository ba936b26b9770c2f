import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readAdminToken } from '../../src/config/admin-token.ts';
import type { BenchContext } from '../harness.ts';
import { askAround, joinWorkers } from './clients.ts';
import { mostQueued, type Size } from './fill.ts';
import type { Figures, Said } from './server.ts';

const warmUpMs = 20_000;
/** As `tidepool serve` has them. */
const nodeFlags = ['--max-semi-space-size=2', '--no-maglev'];

/** Runs a control plane on a filled folder in another process, while this one asks, and returns its figures. */
export async function live(
  { signal, log }: Pick<BenchContext, 'signal' | 'log'>,
  folder: string,
  { vms, joined, queued }: Size,
): Promise<Figures> {
  const ending = new AbortController();
  const program = [...process.execArgv, ...nodeFlags, join(import.meta.dirname, 'server.ts'), folder, String(vms)];
  const server = spawn(process.execPath, program, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // Commands of the user find a server by a note in this folder. They must not find this one.
    env: { ...process.env, XDG_STATE_HOME: join(folder, 'state') },
    signal,
  });
  try {
    const { url } = await said(server, 'url');
    const where = { url, token: await readAdminToken(folder) };
    await joinWorkers(where, joined, signal);
    // With a full queue submissions are refused.
    const asking = askAround(where, ending.signal, queued < mostQueued);
    const failed = asking.then(() => new Promise<never>(() => undefined));
    await Promise.race([sleep(warmUpMs, undefined, { signal }), failed]);
    server.send('measure');
    const { figures } = await Promise.race([said(server, 'figures'), failed]);
    ending.abort();
    log(text(figures, await asking));
    server.send('end');
    await once(server, 'exit', { signal });
    return figures;
  } finally {
    ending.abort();
    server.kill('SIGKILL');
  }
}

/** The next message of the server, which is to be of this kind. */
async function said<Kind extends Said['kind']>(
  server: ChildProcess,
  kind: Kind,
): Promise<Extract<Said, { kind: Kind }>> {
  const ended = once(server, 'exit').then(([code, killedBy]) => {
    throw new RangeError(`the server ended with ${code ?? killedBy}`);
  });
  const [message] = (await Promise.race([once(server, 'message'), ended])) as [Extract<Said, { kind: Kind }>];
  if (message.kind !== kind) throw new RangeError(`the server said ${message.kind} instead of ${kind}`);
  return message;
}

function text({ delayMs, ownDelayMs, ownLongestMs, busy, peakMiB }: Figures, answers: number): string {
  const delay = `delay ${delayMs.toFixed(1)} ms, by CPU time ${ownDelayMs.toFixed(1)} ms (longest ${ownLongestMs.toFixed(0)} ms)`;
  return `${delay}, ${Math.round(busy * 100)} % of a CPU, ${peakMiB.toFixed(0)} MiB, ${answers} answers`;
}
