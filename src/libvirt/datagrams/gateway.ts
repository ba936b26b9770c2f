import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { Clock } from '../../domain/clock.ts';
import { TidepoolError } from '../../domain/errors.ts';
import { Flows } from './flows.ts';
import { frameToGuest, maxDataBytes, readGuestFrame } from './frames.ts';

/** What it takes to bring datagrams to one machine's service device. All ports are of the loopback interface. */
export interface DatagramPlan {
  /** Where the machine's process sends the guest's frames: ours. */
  readonly hostFramePort: number;
  /** Where it takes frames for the guest. */
  readonly guestFramePort: number;
  readonly forwards: readonly { readonly hostPort: number; readonly guestPort: number }[];
}

const loopback = '127.0.0.1';
/** For bursts; the kernel may give less. */
const receiveBufferBytes = 1024 * 1024;

/**
 * One machine's way for UDP. QEMU's user network with `restrict=on` forwards datagrams to the guest and drops the answers, so
 * the service device of such a machine is a cable to us instead (QEMU's `socket` network: an Ethernet frame a datagram), and
 * this is the other end: it turns datagrams of peers into frames and back. Of all that the guest may put on the cable only
 * answers to peers come out.
 */
export class DatagramGateway {
  readonly #clock: Clock;
  readonly #flows = new Flows();
  readonly #frames: Socket;
  /** By guest port. */
  readonly #forwards = new Map<number, Socket>();

  private constructor(clock: Clock, frames: Socket) {
    this.#clock = clock;
    this.#frames = frames;
  }

  /** Errors: `exhausted` when a port is taken; nothing is left open then. */
  static async open(plan: DatagramPlan, clock: Clock): Promise<DatagramGateway> {
    const frames = await bound(plan.hostFramePort);
    const gateway = new DatagramGateway(clock, frames);
    try {
      for (const { hostPort, guestPort } of plan.forwards) gateway.#forward(await bound(hostPort), guestPort);
      // Connected, so that nobody but the machine's process is heard.
      await new Promise<void>((resolve) => frames.connect(plan.guestFramePort, loopback, resolve));
      frames.on('message', (frame) => gateway.#fromGuest(frame));
      return gateway;
    } catch (error) {
      gateway.close();
      throw error;
    }
  }

  close(): void {
    for (const socket of [this.#frames, ...this.#forwards.values()]) socket.close();
  }

  #forward(socket: Socket, guestPort: number): void {
    this.#forwards.set(guestPort, socket);
    socket.on('message', (data, peer) => this.#toGuest(data, peer, guestPort));
  }

  #toGuest(data: Buffer, { address, port }: RemoteInfo, guestPort: number): void {
    if (data.length > maxDataBytes) return;
    const fromPort = this.#flows.portOf({ address, port, guestPort }, this.#clock.now());
    this.#frames.send(frameToGuest({ fromPort, toPort: guestPort, data }), ignoreLoss);
  }

  #fromGuest(bytes: Buffer): void {
    const frame = readGuestFrame(bytes);
    if (frame.kind === 'question') this.#frames.send(frame.answer, ignoreLoss);
    if (frame.kind !== 'datagram') return;
    const peer = this.#flows.peerAt(frame.toPort, frame.fromPort, this.#clock.now());
    if (peer !== undefined) this.#forwards.get(peer.guestPort)?.send(frame.data, peer.port, peer.address, ignoreLoss);
  }
}

/** A datagram may get lost on the way, and so may one whose receiver is gone. */
function ignoreLoss(): void {}

function bound(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: 'udp4', recvBufferSize: receiveBufferBytes });
    socket.once('error', (cause) => {
      socket.close();
      const message = `the UDP port ${port} of ${loopback} cannot be had: ${cause.message}`;
      reject(new TidepoolError('exhausted', message, { cause, details: { isPortTaken: true } }));
    });
    socket.bind(port, loopback, () => {
      // An ICMP error tells that nobody took a datagram, which is no trouble of the socket's.
      socket.removeAllListeners('error').on('error', ignoreLoss);
      resolve(socket);
    });
  });
}
