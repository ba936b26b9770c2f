import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Address, Lane, LaneOwner } from './lane.ts';
import type { LoadRequest } from './request.ts';
import type { Render } from './stream-lane.ts';

/**
 * A UDP socket that carries one request at a time: answers have no number, so the socket tells whose they are. One whose
 * request timed out is closed by its owner, and a late answer finds nobody.
 */
export class UdpLane implements Lane {
  request: LoadRequest | null = null;
  readonly #socket: Socket;
  readonly #owner: LaneOwner;
  readonly #render: Render;
  #isConnected = false;
  #isClosed = false;

  constructor({ host, port }: Address, render: Render, owner: LaneOwner) {
    this.#render = render;
    this.#owner = owner;
    this.#socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    this.#socket.on('error', () => this.#onError());
    this.#socket.on('message', (answer) => this.#onAnswer(answer));
    // Only a connected socket hears that nobody listens, and only from its server.
    this.#socket.connect(port, host, (error?: Error) => {
      if (this.#isClosed) return;
      if (error !== undefined) return this.#onError();
      this.#isConnected = true;
      if (this.request !== null) this.#transmit(this.request);
    });
  }

  send(request: LoadRequest): void {
    this.request = request;
    if (this.#isConnected) this.#transmit(request);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.close();
  }

  #transmit(request: LoadRequest): void {
    this.#socket.send(this.#render(request.number), (error) => {
      if (error !== null && !this.#isClosed) this.#onError();
    });
  }

  #onAnswer(answer: Buffer): void {
    const { request } = this;
    // The same answer once more, as UDP may have it.
    if (request === null || this.#isClosed) return;
    this.request = null;
    this.#owner.ended(this, request, answer.length === 0 ? 'bad answer' : 'ok', undefined, answer.length > 0);
  }

  #onError(): void {
    if (this.#isClosed) return;
    this.close();
    const { request } = this;
    this.request = null;
    if (request === null) this.#owner.gone(this);
    else this.#owner.ended(this, request, 'connect', undefined, false);
  }
}
