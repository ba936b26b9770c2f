/** Who sent a datagram, and to which of the machine's ports. */
export interface Peer {
  readonly address: string;
  readonly port: number;
  readonly guestPort: number;
}

const maxFlows = 4_096;
/** The guest can answer a peer for so long after the peer's last datagram. */
const flowLifeMs = 60_000;
const firstPort = 10_000;
const lastPort = 59_999;

interface Flow {
  readonly peer: Peer;
  usedAtMs: number;
}

/**
 * Gives each peer a port of the gateway, by which the guest's answers find their way back. The guest can send to nobody who
 * did not send to it first, and lately. When there are too many, the one that was silent longest is forgotten.
 */
export class Flows {
  readonly #ports = new Map<string, number>();
  /** By port; in the order of their last use. */
  readonly #flows = new Map<number, Flow>();
  #lastPort = lastPort;

  /** The port of a peer who sends now. */
  portOf(peer: Peer, nowMs: number): number {
    const key = keyOf(peer);
    const port = this.#ports.get(key) ?? this.#freePort();
    this.#ports.set(key, port);
    this.#flows.delete(port);
    this.#flows.set(port, { peer, usedAtMs: nowMs });
    if (this.#flows.size > maxFlows) this.#forgetOldest();
    return port;
  }

  /** The peer whom the guest answers from `guestPort` at one of our ports; undefined when there is none. */
  peerAt(port: number, guestPort: number, nowMs: number): Peer | undefined {
    const flow = this.#flows.get(port);
    if (flow === undefined || flow.peer.guestPort !== guestPort) return undefined;
    return nowMs - flow.usedAtMs > flowLifeMs ? undefined : flow.peer;
  }

  #freePort(): number {
    do {
      this.#lastPort = this.#lastPort === lastPort ? firstPort : this.#lastPort + 1;
    } while (this.#flows.has(this.#lastPort));
    return this.#lastPort;
  }

  #forgetOldest(): void {
    const oldest = this.#flows.entries().next().value;
    if (oldest === undefined) return;
    const [port, { peer }] = oldest;
    this.#flows.delete(port);
    this.#ports.delete(keyOf(peer));
  }
}

function keyOf({ address, port, guestPort }: Peer): string {
  return `${address} ${port} ${guestPort}`;
}
