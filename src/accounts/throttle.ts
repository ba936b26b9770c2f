import { isIPv6 } from 'node:net';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import { Buckets } from './buckets.ts';

const minuteMs = 60_000;
const maxKeys = 10_000;

/**
 * How often a password may be tried: by account, so that many machines cannot try one account, and by address, so that
 * one machine cannot try many. Only what was wrong counts.
 *
 * Where the account's owner has signed in from lately, tries are counted apart: others cannot lock them out by wrong
 * passwords. Everything is bounded and in memory; a restart forgets it.
 */
export class Throttle {
  readonly #accounts: Buckets;
  readonly #addresses: Buckets;
  readonly #signUps: Buckets;
  /** `account address`, the oldest first. */
  readonly #known = new Set<string>();

  constructor(clock: Clock) {
    this.#accounts = new Buckets({ burst: 10, refillMs: minuteMs, maxKeys }, clock);
    this.#addresses = new Buckets({ burst: 50, refillMs: minuteMs / 10, maxKeys }, clock);
    this.#signUps = new Buckets({ burst: 100, refillMs: minuteMs, maxKeys }, clock);
  }

  /**
   * Takes a try. The returned function gives it back, for one that was not wrong.
   * Errors: `exhausted`, the same whether the account exists or not.
   */
  takeTry(account: string, address: string): () => void {
    const network = networkOf(address);
    const pair = `${account} ${network}`;
    const key = this.#known.has(pair) ? pair : account;
    refuse(Math.max(this.#accounts.waitMs(key), this.#addresses.waitMs(network)), 'too many wrong passwords');
    this.#accounts.take(key);
    this.#addresses.take(network);
    return () => {
      this.#accounts.giveBack(key);
      this.#addresses.giveBack(network);
    };
  }

  /** Notes that the account's owner is at this address. */
  remember(account: string, address: string): void {
    const pair = `${account} ${networkOf(address)}`;
    this.#known.delete(pair);
    this.#known.add(pair);
    if (this.#known.size <= maxKeys) return;
    const [oldest] = this.#known;
    if (oldest !== undefined) this.#known.delete(oldest);
  }

  /** Takes one sign-up. Errors: `exhausted`. */
  takeSignUp(address: string): void {
    const network = networkOf(address);
    refuse(this.#signUps.waitMs(network), 'too many new accounts from this address');
    this.#signUps.take(network);
  }
}

function refuse(waitMs: number, why: string): void {
  if (waitMs === 0) return;
  const retryAfterSeconds = Math.ceil(waitMs / 1_000);
  throw new TidepoolError('exhausted', `${why}; try again in ${retryAfterSeconds} s`, {
    details: { retryAfterSeconds },
  });
}

/** An address as far as one machine is known by it: whoever has an IPv6 address has a /64 of them. Pure. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address.slice(0, 64);
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::');
  const groups = (part: string): string[] => part.split(':').filter((group) => group !== '');
  const front = groups(head);
  const missing = tail === undefined ? 0 : 8 - front.length - groups(tail).length;
  const all = [...front, ...new Array<string>(Math.max(0, missing)).fill('0'), ...groups(tail ?? '')];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
