import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { PortRequest } from '../domain/hypervisor.ts';
import type { PortRecord } from './metadata.ts';

const loopback = '127.0.0.1';
const attemptsPerPort = 20;

/**
 * A port that led to a machine is given to no other machine for this long: HAProxy, or who else asked for the address, may
 * still know the old machine there, and requests of one tenant must not reach another.
 */
const restMs = 600_000;

/**
 * Picks ports of the loopback interface that nobody listens on. Between the choice and QEMU's start somebody may take
 * one; the caller chooses again then. Ports given out here are not given out again until `release`.
 */
export class PortPicker {
  readonly #clock: Clock;
  readonly #taken = new Set<string>();
  /** Ports of machines that are gone, with the time from which they may be given out again. The oldest come first. */
  readonly #resting = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param avoided ports of machines that are there, as `tcp:12345`: one that is off listens on none of its own */
  async pick(requests: readonly PortRequest[], avoided: ReadonlySet<string> = new Set()): Promise<PortRecord[]> {
    this.#wake();
    const picked: PortRecord[] = [];
    try {
      for (const request of requests)
        picked.push({ ...request, hostPort: await this.#pickOne(request.protocol, avoided) });
      return picked;
    } catch (error) {
      this.release(picked);
      throw error;
    }
  }

  /** To be called when QEMU listens on them itself, or has given up. */
  release(ports: readonly PortRecord[]): void {
    for (const port of ports) this.#taken.delete(portKey(port));
  }

  /** Keeps the ports of a machine that is gone from other machines for ten minutes. */
  rest(ports: readonly PortRecord[]): void {
    for (const port of ports) {
      this.#resting.delete(portKey(port));
      this.#resting.set(portKey(port), this.#clock.uptimeMs() + restMs);
    }
  }

  #wake(): void {
    for (const [key, untilMs] of this.#resting) {
      if (untilMs > this.#clock.uptimeMs()) break;
      this.#resting.delete(key);
    }
  }

  async #pickOne(protocol: 'tcp' | 'udp', avoided: ReadonlySet<string>): Promise<number> {
    for (let attempt = 0; attempt < attemptsPerPort; attempt += 1) {
      const port = await (protocol === 'tcp' ? freeTcpPort() : freeUdpPort());
      const key = portKey({ protocol, hostPort: port });
      if (this.#taken.has(key) || this.#resting.has(key) || avoided.has(key)) continue;
      this.#taken.add(key);
      return port;
    }
    throw new TidepoolError('exhausted', `no free ${protocol} port on ${loopback} after ${attemptsPerPort} tries`);
  }
}

/** How a port is known here, with its protocol. */
export function portKey({ protocol, hostPort }: Pick<PortRecord, 'protocol' | 'hostPort'>): string {
  return `${protocol}:${hostPort}`;
}

function freeTcpPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (cause) => reject(noPort(cause)));
    server.listen(0, loopback, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

function freeUdpPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', (cause) => reject(noPort(cause)));
    socket.bind(0, loopback, () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

function noPort(cause: Error): TidepoolError {
  return new TidepoolError('exhausted', `no port on ${loopback} can be had: ${cause.message}`, { cause });
}
