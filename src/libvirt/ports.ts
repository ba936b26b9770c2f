import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { TidepoolError } from '../domain/errors.ts';
import type { PortRequest } from '../domain/hypervisor.ts';
import type { PortRecord } from './metadata.ts';

const loopback = '127.0.0.1';
const attemptsPerPort = 20;

/**
 * Picks ports of the loopback interface that nobody listens on. Between the choice and QEMU's start somebody may take
 * one; the caller chooses again then. Ports given out here are not given out again until `release`.
 */
export class PortPicker {
  readonly #taken = new Set<string>();

  async pick(requests: readonly PortRequest[]): Promise<PortRecord[]> {
    const picked: PortRecord[] = [];
    try {
      for (const request of requests) picked.push({ ...request, hostPort: await this.#pickOne(request.protocol) });
      return picked;
    } catch (error) {
      this.release(picked);
      throw error;
    }
  }

  /** To be called when QEMU listens on them itself, or has given up. */
  release(ports: readonly PortRecord[]): void {
    for (const port of ports) this.#taken.delete(`${port.protocol}:${port.hostPort}`);
  }

  async #pickOne(protocol: 'tcp' | 'udp'): Promise<number> {
    for (let attempt = 0; attempt < attemptsPerPort; attempt += 1) {
      const port = await (protocol === 'tcp' ? freeTcpPort() : freeUdpPort());
      const key = `${protocol}:${port}`;
      if (this.#taken.has(key)) continue;
      this.#taken.add(key);
      return port;
    }
    throw new TidepoolError('exhausted', `no free ${protocol} port on ${loopback} after ${attemptsPerPort} tries`);
  }
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
