import type { Duplex } from 'node:stream';

/** The pool of workers that joined by hand: nobody scales it. No other pool or service has this name. */
export const joinedPool = 'joined';
/** As the host of an agent's address: it is not dialled, but reached by the tunnel of its key id. */
export const joinedHost = 'joined';

/**
 * How long a joined worker may go on with its attempts after the last answer that we got of it, in milliseconds. It ends
 * them by its own clock when no new permission came, so that they may be started again elsewhere.
 */
export const workLeaseMs = 120_000;

/** The name under which jobs and the list of VMs know a worker that joined. Pure. */
export function joinedVmName(worker: string): string {
  return `${joinedPool}-${worker}`;
}

/** The way to a worker that has dialled us. */
export interface WorkerTunnel {
  /** Settles when it is gone, whoever ended it. */
  readonly closed: Promise<void>;
  /** Tells the worker that it is wanted no more, and ends it. */
  dismiss(): void;
  /** Ends it; the worker may come back. */
  destroy(): void;
}

/** Port: makes agents reachable whose address has the host `joinedHost` and this key id. */
export interface WorkerTunnels {
  /** @param socket the connection that the worker opened, after the handshake */
  open(keyId: string, socket: Duplex): WorkerTunnel;
}
