import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { Agent } from 'node:https';
import type { Duplex } from 'node:stream';
import { TidepoolError } from '../domain/errors.ts';
import type { WorkerTunnel, WorkerTunnels } from '../domain/worker.ts';
import { dismissed } from '../protocol/worker.ts';

const windowBytes = 1024 * 1024;
const maxStreams = 512;
/** A worker's settings and answers are read by HTTP/2 before anything of ours sees them. */
const sessionMemoryMiB = 32;
/** For the worker to get the farewell and close its end. */
const farewellMs = 5_000;

/** The tunnels of workers that dialled us, by key id; see protocol/worker.ts. */
export class Tunnels implements WorkerTunnels {
  readonly #sessions = new Map<string, ClientHttp2Session>();

  open(keyId: string, socket: Duplex): WorkerTunnel {
    this.#sessions.get(keyId)?.destroy();
    const session = connect('http://worker', {
      createConnection: () => socket,
      settings: { initialWindowSize: windowBytes, enablePush: false, maxConcurrentStreams: 0 },
      maxSessionMemory: sessionMemoryMiB,
    });
    this.#sessions.set(keyId, session);
    const closed = new Promise<void>((resolve) => {
      session.once('close', () => {
        if (this.#sessions.get(keyId) === session) this.#sessions.delete(keyId);
        resolve();
      });
    });
    // Its end is all that matters; who uses a stream of it learns why.
    session.on('error', () => undefined);
    return {
      closed,
      dismiss() {
        if (session.destroyed) return;
        session.goaway(constants.NGHTTP2_NO_ERROR, 0, Buffer.from(dismissed));
        session.setTimeout(farewellMs, () => session.destroy());
        session.close();
      },
      destroy: () => session.destroy(),
    };
  }

  /** Connections to the agent behind a tunnel, each a stream of it. */
  agent(keyId: string): Agent {
    // Opening a stream costs nothing worth keeping one for.
    const agent = new Agent({ keepAlive: false, maxSockets: maxStreams });
    agent.createConnection = (_options, done) => {
      const session = this.#sessions.get(keyId);
      try {
        if (session === undefined || session.closed)
          throw new TidepoolError('unavailable', 'the worker is not connected');
        return session.request({ ':method': 'CONNECT', ':authority': 'agent' }, { endStream: false });
      } catch (error) {
        done?.(error instanceof Error ? error : new TidepoolError('unavailable', String(error)), undefined as never);
        return undefined;
      }
    };
    return agent;
  }
}
