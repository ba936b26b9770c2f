import { isIP } from 'node:net';

/** A line of the console, understood. */
export type Command =
  | { readonly kind: 'nothing' | 'off' | 'refresh' | 'help' | 'exit' }
  | { readonly kind: 'servers' | 'clear' }
  | { readonly kind: 'mode'; readonly mode: Mode }
  | { readonly kind: 'every'; readonly everyMs: number }
  | { readonly kind: 'add' | 'remove'; readonly host: string; readonly port: number }
  /** In words for a person. */
  | { readonly kind: 'wrong'; readonly problem: string };

export type Mode = 'low' | 'mid' | 'high';

const mostLineLength = 1_000;
const leastEverySeconds = 0.000_01;
const mostEverySeconds = 86_400;

const wordsAlone: ReadonlyMap<string, Command> = new Map(
  Object.entries({
    '': { kind: 'nothing' },
    low: { kind: 'mode', mode: 'low' },
    mid: { kind: 'mode', mode: 'mid' },
    high: { kind: 'mode', mode: 'high' },
    off: { kind: 'off' },
    servers: { kind: 'servers' },
    clear_servers: { kind: 'clear' },
    refresh: { kind: 'refresh' },
    help: { kind: 'help' },
    exit: { kind: 'exit' },
    terminate: { kind: 'exit' },
  } satisfies Record<string, Command>),
);

/** What `help` prints. */
export const helpText = `low, mid, high      so many requests a second (tidepool load --help)
custom 0.3          a request each 0.3 seconds; a bare number does the same
off                 no requests
+ IP PORT           another server to send to;  - IP PORT  no longer this one
clear_servers       send to no server;  servers  lists them
refresh             the servers as the cloud has them now
exit, terminate     end, and shut the service's VMs down (Ctrl-C leaves them)`;

/** Reads a line of the console. Pure. */
export function parseCommand(line: string): Command {
  if (line.length > mostLineLength) return wrong(`the line has more than ${mostLineLength} characters`);
  const [word = '', ...args] = line.trim().split(/\s+/);
  const alone = wordsAlone.get(word.toLowerCase());
  if (alone !== undefined) return args.length === 0 ? alone : wrong(`${word} stands alone`);
  if (word === '+' || word === '-') return parseAddress(word, args);
  if (word.toLowerCase() === 'custom') {
    const [seconds, ...others] = args;
    return seconds === undefined || others.length > 0 ? wrong('write it like: custom 0.3') : parseEvery(seconds);
  }
  if (args.length === 0 && /^[-+.]?\d/.test(word)) return parseEvery(word);
  return wrong(`${quote(word)} is not known; see: help`);
}

/** A time between requests in seconds. Pure. */
export function parseEvery(text: string): Command {
  if (!/^[-+]?(\d+\.?\d*|\.\d+)$/.test(text)) return wrong(`${quote(text)} is not a number of seconds`);
  const seconds = Number(text);
  if (seconds >= leastEverySeconds && seconds <= mostEverySeconds) return { kind: 'every', everyMs: seconds * 1_000 };
  return wrong(`the time between requests is from ${leastEverySeconds} to ${mostEverySeconds} seconds, not ${text}`);
}

function parseAddress(sign: '+' | '-', [host, port, ...others]: readonly string[]): Command {
  if (host === undefined || port === undefined || others.length > 0)
    return wrong(`write it like: ${sign} 127.0.0.1 8000`);
  if (isIP(host) === 0) return wrong(`${quote(host)} is not an IP address`);
  const number = Number(port);
  if (!/^\d{1,5}$/.test(port) || number < 1 || number > 65_535) {
    return wrong(`${quote(port)} is not a port (1 to 65535)`);
  }
  return { kind: sign === '+' ? 'add' : 'remove', host, port: number };
}

function wrong(problem: string): Command {
  return { kind: 'wrong', problem };
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
