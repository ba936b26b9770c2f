import { randomBytes, randomInt } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type AgentClock, sleep } from '../agent/clock.ts';
import { hasCode } from '../domain/errors.ts';
import { startWorkerAgent, type WorkerAgent } from './agent.ts';
import { type Link, openLink } from './link.ts';
import type { Share } from './machine.ts';
import { unmountBelow } from './mounts.ts';
import { isFinal } from './refusal.ts';
import { commonRuntime, WorkerRuntimes } from './runtimes.ts';
import { ask, type ServerAddress } from './server.ts';

const lookForRuntimesMs = 10_000;
const firstPauseMs = 500;
const longestPauseMs = 10_000;

export interface WorkerOptions extends ServerAddress {
  readonly name: string;
  readonly version: string;
  /** For what it keeps: absolute, and of this worker alone. */
  readonly folder: string;
  readonly cgroups: string;
  readonly share: Share;
  readonly pid: number;
  readonly clock: AgentClock;
  /** Fires when it is to take no more jobs, and to end when those that run have ended. */
  readonly leaving: AbortSignal;
  /** Fires when it is to end at once; its jobs are lost. */
  readonly ending: AbortSignal;
  sendTerm(pid: number): void;
  log(line: string): void;
}

/**
 * Serves jobs until it is dismissed, by the control plane or because `leaving` fired. A link that breaks is made again.
 * Errors: `unavailable` (this machine cannot run jobs), and refusals that will not change: `unauthenticated`, `forbidden`,
 * `invalid` (refusal.ts).
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { folder, log, leaving, ending } = options;
  await mkdir(folder, { recursive: true, mode: 0o711 });
  await unmountBelow(folder);
  const runtimes = new WorkerRuntimes({ ...options, server: options, folder: join(folder, 'runtimes') });
  await runtimes.prepare();
  const until = AbortSignal.any([leaving, ending]);
  try {
    await again(options, until, () => bringCommon(runtimes));
    if (until.aborted) return;
    const agent = await startWorkerAgent({ ...options, runtimes: runtimes.namesPath });
    const over = new AbortController();
    try {
      await agent.test();
      const looking = lookForRuntimes(runtimes, agent, options, over.signal);
      await serve(options, agent);
      over.abort();
      await looking;
    } finally {
      over.abort();
      await agent.stop();
    }
  } finally {
    await unmountBelow(folder);
    log('ended');
  }
}

async function serve(options: WorkerOptions, agent: WorkerAgent): Promise<void> {
  const { clock, log, leaving, ending } = options;
  const instance = randomBytes(16).toString('hex');
  let pauseMs = firstPauseMs;
  while (!ending.aborted) {
    const link = await openLink({ ...options, instance, agent: agent.server, clock }).catch((error: unknown) => {
      if (isFinal(error)) throw error;
      log(error instanceof Error ? error.message : String(error));
      return undefined;
    });
    if (link !== undefined) {
      log(`joined ${options.url} as ${options.name}`);
      pauseMs = firstPauseMs;
      if ((await stay(options, link)) === 'dismissed') return;
      log('the link to the server is lost');
    }
    // Nobody is there who could still get the results.
    if (leaving.aborted || ending.aborted) return;
    await sleep(clock, jittered(pauseMs), AbortSignal.any([leaving, ending]));
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  }
}

/** Until the link ends. */
async function stay(options: WorkerOptions, link: Link): Promise<'dismissed' | 'lost'> {
  const { leaving, ending, log } = options;
  const leave = (): void => {
    log('taking no more jobs; those that run end first');
    ask(options, 'DELETE', `/api/v1/workers/${options.name}`).catch((error: unknown) => {
      log(`cannot take leave: ${String(error)}`);
      link.destroy();
    });
  };
  const end = (): void => link.destroy();
  leaving.addEventListener('abort', leave, { once: true });
  ending.addEventListener('abort', end, { once: true });
  try {
    if (ending.aborted) end();
    else if (leaving.aborted) leave();
    return await link.closed;
  } finally {
    leaving.removeEventListener('abort', leave);
    ending.removeEventListener('abort', end);
  }
}

async function bringCommon(runtimes: WorkerRuntimes): Promise<void> {
  for (const remote of await runtimes.missing()) if (remote.name === commonRuntime) await runtimes.bring(remote);
}

/** New ones of the server come here too, and those that it has no more go. One that cannot come keeps no other from coming. */
async function lookForRuntimes(
  runtimes: WorkerRuntimes,
  agent: WorkerAgent,
  options: WorkerOptions,
  signal: AbortSignal,
): Promise<void> {
  // The same trouble comes again at every look.
  let told = '';
  const note = (error: unknown): void => {
    const text = String(error);
    // Without the server the link tells.
    if (text !== told && !hasCode(error, 'unavailable')) options.log(`runtimes: ${text}`);
    told = text;
  };
  while (!signal.aborted) {
    try {
      const missing = await runtimes.missing();
      await runtimes.drop((name, remove) => agent.drop(name, remove));
      for (const remote of missing) {
        if (signal.aborted) return;
        await runtimes.bring(remote).catch(note);
        await agent.refresh();
      }
    } catch (error) {
      note(error);
    }
    await sleep(options.clock, jittered(lookForRuntimesMs), signal);
  }
}

/** Tries until it succeeds, or fails for good. */
async function again({ clock, log }: WorkerOptions, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      return await work();
    } catch (error) {
      if (isFinal(error)) throw error;
      log(error instanceof Error ? error.message : String(error));
    }
    await sleep(clock, jittered(pauseMs), signal);
  }
}

/** So that not all workers come at one moment after a restart of the server. */
function jittered(ms: number): number {
  return ms * (0.8 + (0.4 * randomInt(1_000)) / 1_000);
}
