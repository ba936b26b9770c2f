import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import { Connection } from './connection.ts';
import { procedures } from './procedures.ts';
import type { Environment } from './socket-paths.ts';
import { openTransport } from './transport.ts';
import { parseLibvirtUri } from './uri.ts';

export interface LibvirtOptions {
  /** A libvirt URI: `qemu:///system`, `qemu:///session`, `qemu+tcp://`, `qemu+tls://` or `qemu+ssh://host/system`. */
  readonly uri: string;
  readonly clock: Clock;
  /** Where a session daemon listens, and which one is started, depends on it. */
  readonly env: Environment;
}

/** REMOTE_AUTH_* */
const authentication = { none: 0, sasl: 1, polkit: 2 } as const;
/** VIR_DRV_FEATURE_PROGRAM_KEEPALIVE; asking for it is what starts it on the daemon's side. */
const keepaliveFeature = 10;

/**
 * Connects, authenticates and opens the hypervisor. With `watched`, both sides watch each other by keepalive; a
 * connection for one stream goes without, because a reader that waits stops its pings too.
 */
export async function openConnection(
  options: LibvirtOptions,
  onMessage: (procedure: number, payload: Uint8Array) => void,
  watched: boolean,
): Promise<Connection> {
  const { clock, env } = options;
  const uri = parseLibvirtUri(options.uri);
  const connection = new Connection(await openTransport({ uri, clock, env }), { clock, uri: options.uri, onMessage });
  try {
    await authenticate(connection, options.uri);
    await connection.call(procedures.connectOpen, { name: uri.remoteName, flags: 0 });
    if (watched) await watch(connection);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

async function watch(connection: Connection): Promise<void> {
  const { supported } = await connection.call(procedures.connectSupportsFeature, { feature: keepaliveFeature });
  if (supported === 1) connection.startKeepalive();
}

/** The daemon asks for this call first, even where it wants no authentication. */
async function authenticate(connection: Connection, uri: string): Promise<void> {
  const { types } = await connection.call(procedures.authList, undefined);
  if (types.length === 0 || types.includes(authentication.none)) return;
  if (!types.includes(authentication.polkit)) {
    const message = `libvirt at ${uri} wants a SASL sign-in, which Tidepool does not have; use ssh or TLS`;
    throw new TidepoolError('unauthenticated', message);
  }
  const { complete } = await connection.call(procedures.authPolkit, undefined);
  if (complete !== 1) {
    throw new TidepoolError(
      'unauthenticated',
      `polkit refused libvirt at ${uri}; join the group libvirt, or use qemu:///session`,
    );
  }
}
