import type { AgentAddress, AgentLink } from '../domain/agent-link.ts';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { AgentHealth } from '../protocol/agent.ts';

/** A new question is asked this often, without waiting for the answer to the last: see firstHealth. */
const askEveryMs = 200;
/** More questions than this are never open at once. */
const maxOpen = 8;

/**
 * Second stage: waits until the agent of a booting VM answers. While the guest boots, a connection may be taken by the
 * network in front of it and hang for seconds, so questions overlap and the first answer wins.
 * Errors: `aborted` when the signal fires first.
 */
export async function firstHealth(
  link: AgentLink,
  agent: AgentAddress,
  clock: Clock,
  signal: AbortSignal,
): Promise<AgentHealth> {
  const answered = new AbortController();
  const both = AbortSignal.any([signal, answered.signal]);
  let open = 0;
  return new Promise<AgentHealth>((resolve, reject) => {
    const ask = async (): Promise<void> => {
      open += 1;
      try {
        resolve(await link.health(agent, both));
        answered.abort();
      } catch {
        // Not up yet. Whether it takes too long is the caller's limit to judge.
      } finally {
        open -= 1;
      }
    };
    const askOn = async (): Promise<void> => {
      while (!both.aborted) {
        if (open < maxOpen) void ask();
        await clock.sleep(askEveryMs, both).catch(() => undefined);
      }
      if (!answered.signal.aborted) reject(new TidepoolError('aborted', 'gave up waiting for the agent'));
    };
    void askOn();
  });
}
