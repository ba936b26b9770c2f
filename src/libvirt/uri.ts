import { TidepoolError } from '../domain/errors.ts';

export type TransportKind = 'unix' | 'tcp' | 'tls' | 'ssh';

/** A libvirt URI taken apart (libvirt: docs/uri.rst). */
export interface LibvirtUri {
  /** As it was given, without a password. */
  readonly text: string;
  readonly driver: string;
  readonly transport: TransportKind;
  /** '' for this machine. */
  readonly host: string;
  readonly port: number | undefined;
  readonly user: string | undefined;
  /** The daemon of the user, not of the system. */
  readonly isSession: boolean;
  /** What the daemon is asked to open: the URI as it looks on its own machine. */
  readonly remoteName: string;
  /** `socket=`: path of a unix socket; `pkipath=`: folder of TLS certificates; `keyfile=`: key of ssh. */
  readonly parameters: ReadonlyMap<string, string>;
}

const transports: readonly TransportKind[] = ['unix', 'tcp', 'tls', 'ssh'];
/** Parameters that speak of the way to the daemon and mean nothing to it. */
const ours = new Set(['socket', 'pkipath', 'keyfile', 'name', 'no_verify']);

/** Errors: `invalid`. */
export function parseLibvirtUri(text: string): LibvirtUri {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new TidepoolError('invalid', `'${text}' is not a libvirt URI; one is qemu:///system`, { cause });
  }
  const [driver = '', named] = url.protocol.slice(0, -1).split('+');
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const transport = named ?? (host === '' ? 'unix' : 'tls');
  if (!isTransport(transport)) {
    throw new TidepoolError('invalid', `'${text}': the transport ${transport} is not one of ${transports.join(', ')}`);
  }
  if (transport !== 'unix' && host === '') throw new TidepoolError('invalid', `'${text}' names no host`);
  const parameters = new Map(url.searchParams);
  rejectUnsafe(text, parameters);
  return {
    text,
    driver,
    transport,
    host,
    port: url.port === '' ? undefined : Number(url.port),
    user: url.username === '' ? undefined : decodeURIComponent(url.username),
    isSession: url.pathname === '/session',
    remoteName: parameters.get('name') ?? remoteName(driver, url.pathname, parameters),
    parameters,
  };
}

function isTransport(word: string): word is TransportKind {
  return transports.some((transport) => transport === word);
}

function rejectUnsafe(text: string, parameters: ReadonlyMap<string, string>): void {
  if (parameters.has('no_verify')) {
    throw new TidepoolError('invalid', `'${text}': no_verify is not supported; put the host's CA in place instead`);
  }
}

function remoteName(driver: string, path: string, parameters: ReadonlyMap<string, string>): string {
  const theirs = new URLSearchParams([...parameters].filter(([name]) => !ours.has(name))).toString();
  return `${driver}://${path}${theirs === '' ? '' : `?${theirs}`}`;
}
