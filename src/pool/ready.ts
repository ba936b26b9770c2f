import type { AgentAddress } from '../domain/agent-link.ts';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { AgentHealth } from '../protocol/agent.ts';
import type { PoolLink } from './context.ts';

/** A new question is asked this often, without waiting for the answer to the last. */
const askEveryMs = 200;
/** More questions than this are never open at once: the oldest is given up for a new one. */
const maxOpen = 4;
/** A guest that has begun to answer is given this long before it is asked again. */
const answerLimitMs = 5_000;

/**
 * Second stage: waits until the agent of a booting VM answers. While the guest boots, a connection may be taken by the
 * network in front of it and hang for seconds, so questions overlap. As soon as the guest begins to answer one of them
 * the others are given up: each costs it a handshake, of which an emulated CPU does few a second.
 * Errors: `aborted` when the signal fires first.
 */
export async function firstHealth(
  link: PoolLink,
  agent: AgentAddress,
  clock: Clock,
  signal: AbortSignal,
): Promise<AgentHealth> {
  const open: AbortController[] = [];
  let inContact: { readonly question: AbortController; readonly sinceMs: number } | undefined;
  const giveUp = (unless?: AbortController): void => {
    for (const other of open) if (other !== unless) other.abort();
  };
  return new Promise<AgentHealth>((resolve, reject) => {
    let isAnswered = false;
    const ask = async (): Promise<void> => {
      const question = new AbortController();
      open.push(question);
      if (open.length > maxOpen) open[0]?.abort();
      const onContact = (): void => {
        if (inContact !== undefined) return;
        inContact = { question, sinceMs: clock.uptimeMs() };
        giveUp(question);
      };
      try {
        resolve(await link.health(agent, AbortSignal.any([signal, question.signal]), onContact));
        isAnswered = true;
        giveUp();
      } catch {
        // Not up yet. Whether it takes too long is the caller's limit to judge.
        if (inContact?.question === question) inContact = undefined;
      } finally {
        open.splice(open.indexOf(question), 1);
      }
    };
    const askOn = async (): Promise<void> => {
      while (!signal.aborted && !isAnswered) {
        if (inContact === undefined) void ask();
        else if (clock.uptimeMs() - inContact.sinceMs > answerLimitMs) inContact.question.abort();
        await clock.sleep(askEveryMs, signal).catch(() => undefined);
      }
      if (!isAnswered) reject(new TidepoolError('aborted', 'gave up waiting for the agent'));
    };
    void askOn();
  });
}

/** A VM that is to be paused is first let finish its preparations, for no longer than this. */
const warmUpLimitMs = 60_000;
const lookEveryMs = 500;

/**
 * Waits until a VM has nothing more to prepare, so that it can be paused and has not to go on with it when it is resumed;
 * or until it is wanted at once, or the signal fires.
 */
export async function untilWarmedUp(
  { link, clock }: { readonly link: PoolLink; readonly clock: Clock },
  agent: AgentAddress,
  first: AgentHealth,
  isWanted: () => Promise<boolean>,
  signal: AbortSignal,
): Promise<AgentHealth> {
  let health = first;
  const endMs = clock.uptimeMs() + warmUpLimitMs;
  while (health.isWarmingUp && clock.uptimeMs() < endMs && !signal.aborted && !(await isWanted())) {
    await clock.sleep(lookEveryMs, signal).catch(() => undefined);
    health = await link.health(agent, signal).catch(() => health);
  }
  return health;
}
