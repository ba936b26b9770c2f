import { TidepoolError } from '../../domain/errors.ts';
import type { LoadLimits, Pace } from '../../loadgen/load.ts';
import type { MessageSpec } from '../../loadgen/message.ts';
import { parseDuration } from '../units.ts';
import { type LogLevel, parseLogLevel } from './log.ts';
import { type Mode, parseEvery } from './words.ts';

/** Options of `tidepool load` as the command line has them. */
export interface LoadCommandOptions {
  readonly mode?: string;
  readonly every?: string;
  readonly rate?: string;
  readonly rates: string;
  readonly for?: string;
  readonly connections?: string;
  readonly timeout: string;
  readonly path: string;
  readonly method?: string;
  readonly body?: string;
  readonly payload?: string;
  readonly direct?: boolean;
  readonly json?: boolean;
  readonly plain?: boolean;
  readonly failOnError?: boolean;
  readonly log?: string;
  readonly loglevel?: string;
  readonly record?: string;
}

/** How requests are made, and how that is said. */
export interface NamedPace {
  readonly pace: Pace;
  readonly words: string;
}

/** The options, read. */
export interface LoadPlan {
  /** Undefined: the console says. */
  readonly start: NamedPace | undefined;
  readonly modes: Readonly<Record<Mode, NamedPace>>;
  readonly forMs: number | undefined;
  readonly timeoutMs: number;
  /** Undefined: as many as suit the protocol. */
  readonly connections: number | undefined;
  readonly logLevel: LogLevel;
}

/**
 * To one server. Of datagrams that are sent all at once, as after a time without servers, so many fit into a receive buffer
 * as Linux has it.
 */
const defaultConnections = { http: 500, tcp: 500, udp: 100 } as const;
const defaultLoop = 50;
const mostConnections = 10_000;
const mostInFlight = 20_000;
const mostRate = 100_000;
const leastTimeoutMs = 100;
const mostTimeoutMs = 600_000;
/** A connection of a tcp service stays with its VM, so new VMs and those that drain need new connections. */
const tcpLaneAgeMs = 5_000;

/** Errors: `invalid` with the option that is wrong. */
export function planOf(options: LoadCommandOptions): LoadPlan {
  const given = (['mode', 'every', 'rate'] as const).filter((name) => options[name] !== undefined);
  if (given.length > 1) throw invalid(`--${given.join(' and --')} exclude one another`);
  const connections = wholeNumber('--connections', options.connections, mostConnections);
  const modes = modesOf(options.rates);
  const timeoutMs = parseDuration(options.timeout);
  if (timeoutMs < leastTimeoutMs || timeoutMs > mostTimeoutMs) {
    throw invalid(`--timeout ${options.timeout} is not between 100ms and 10m`);
  }
  return {
    start: startOf(options, modes, connections ?? defaultLoop),
    modes,
    forMs: options.for === undefined ? undefined : parseDuration(options.for),
    timeoutMs,
    connections,
    logLevel: parseLogLevel(options.loglevel ?? 'info'),
  };
}

/** The limits of a load for a service of this protocol. Pure. */
export function limitsOf({ timeoutMs, connections }: LoadPlan, protocol: MessageSpec['protocol']): LoadLimits {
  return {
    timeoutMs,
    mostInFlight,
    lanesPerServer: connections ?? defaultConnections[protocol],
    laneAgeMs: protocol === 'tcp' ? tcpLaneAgeMs : Number.POSITIVE_INFINITY,
  };
}

/** What is asked of a service of this protocol. Errors: `invalid` for an option that is for another protocol. */
export function messageSpecOf(options: LoadCommandOptions, protocol: MessageSpec['protocol']): MessageSpec {
  const { path, method, body, payload } = options;
  if (protocol === 'http') {
    if (payload !== undefined)
      throw invalid('--payload is for tcp and udp; the service speaks http: --path and --body');
    const given = { ...(method === undefined ? {} : { method }), ...(body === undefined ? {} : { body }) };
    return { protocol, path, ...given };
  }
  if (body !== undefined || method !== undefined) {
    throw invalid(`--body and --method are for http; the service speaks ${protocol}: --payload`);
  }
  return { protocol, ...(payload === undefined ? {} : { payload }) };
}

/** A time between requests in words. Pure. */
export function everyPace(everyMs: number): NamedPace {
  return { pace: { kind: 'every', everyMs }, words: `one each ${everyMs / 1_000} s` };
}

function startOf(
  { mode, every, rate }: LoadCommandOptions,
  modes: LoadPlan['modes'],
  connections: number,
): NamedPace | undefined {
  if (mode !== undefined) {
    if (Object.hasOwn(modes, mode)) return modes[mode as Mode];
    throw invalid(`--mode ${mode} is none of low, mid, high`);
  }
  if (every !== undefined) {
    const command = parseEvery(every);
    if (command.kind === 'every') return everyPace(command.everyMs);
    throw invalid(`--every ${every}: ${command.kind === 'wrong' ? command.problem : ''}`);
  }
  if (rate === 'max') return { pace: { kind: 'max', connections }, words: `as fast as ${connections} connections can` };
  return rate === undefined ? undefined : ratePace(rate, '--rate');
}

function modesOf(rates: string): LoadPlan['modes'] {
  const [low, mid, high, ...others] = rates.split(',').map((rate) => ratePace(rate, '--rates'));
  if (low === undefined || mid === undefined || high === undefined || others.length > 0) {
    throw invalid(`--rates ${rates} is not three numbers like 1,5,20`);
  }
  const named = (name: Mode, { pace, words }: NamedPace): NamedPace => ({ pace, words: `${name} (${words})` });
  return { low: named('low', low), mid: named('mid', mid), high: named('high', high) };
}

function ratePace(text: string, option: string): NamedPace {
  const rate = Number(text);
  if (!/^(\d+\.?\d*|\.\d+)$/.test(text.trim()) || rate <= 0 || rate > mostRate) {
    throw invalid(`${option} ${text}: requests a second are above 0 and at most ${mostRate}`);
  }
  return { pace: { kind: 'every', everyMs: 1_000 / rate }, words: `${rate}/s` };
}

function wholeNumber(option: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= most) return number;
  throw invalid(`${option} ${text} is not a whole number from 1 to ${most}`);
}

function invalid(message: string): TidepoolError {
  return new TidepoolError('invalid', message);
}
