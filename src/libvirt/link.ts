import type { Duplex } from 'node:stream';
import { TidepoolError } from '../domain/errors.ts';
import { type Connection, decode } from './connection.ts';
import { Lane } from './lane.ts';
import { type LibvirtOptions, openConnection } from './open-connection.ts';
import { lifecycleEventNumber, type Procedure, procedures } from './procedures.ts';
import { type DomainRef, lifecycleMessage } from './types.ts';

/** A lifecycle event as libvirt sends it: VIR_DOMAIN_EVENT_* and its detail. */
export interface LifecycleEvent {
  readonly domain: DomainRef;
  readonly event: number;
  readonly detail: number;
}

export interface LinkOptions extends LibvirtOptions {
  log(message: string): void;
  onLifecycle(event: LifecycleEvent): void;
  /** A connection was lost, and with it events or probes; it is being opened again. */
  onLost(reason: TidepoolError): void;
  /** The connection of the events was lost and is there again; events of the time between are lost. */
  onReconnect(): void;
}

/**
 * `look`: lists, statistics and events. `end`: what waits for a process to end, up to 45 s a call. `make`: everything else.
 * The daemon takes few calls of a connection at a time, so each lane is a connection of its own, and calls that last hold back
 * only those of their kind.
 */
export type LaneName = 'look' | 'make' | 'end';

/** VIR_DOMAIN_EVENT_ID_LIFECYCLE */
const lifecycleId = 0;

const looking: ReadonlySet<number> = new Set(
  [
    ...[procedures.connectGetCapabilities, procedures.connectGetHostname, procedures.connectGetLibVersion],
    ...[procedures.connectGetUri, procedures.connectGetVersion, procedures.nodeGetInfo],
    procedures.nodeGetMemoryStats,
    ...[procedures.connectListAllDomains, procedures.connectGetAllDomainStats],
    ...[procedures.domainGetMetadata, procedures.domainInterfaceAddresses],
  ].map(({ number }) => number),
);
const ending: ReadonlySet<number> = new Set([procedures.domainDestroy.number, procedures.domainUndefine.number]);

/** The connections to one libvirt daemon, each of which comes back when it is lost (lane.ts). */
export class LibvirtLink {
  readonly #options: LinkOptions;
  readonly #lanes: Readonly<Record<LaneName, Lane>>;

  private constructor(options: LinkOptions, lanes: Readonly<Record<LaneName, Lane>>) {
    this.#options = options;
    this.#lanes = lanes;
  }

  /** The first connections must succeed. */
  static async open(options: LinkOptions): Promise<LibvirtLink> {
    const { onLost, onReconnect } = options;
    const nothing = (): void => undefined;
    const unused = async (): Promise<void> => undefined;
    const onMessage = (procedure: number, payload: Uint8Array): void => {
      if (procedure === lifecycleEventNumber) options.onLifecycle(decode(lifecycleMessage, payload));
    };
    const plain = { ...options, onMessage: nothing, prepare: unused, onLost: nothing, onReconnect: nothing };
    const prepare = (connection: Connection): Promise<void> => hearEvents(connection, options.uri);
    const opened: Lane[] = [];
    const open = async (...lane: Parameters<typeof Lane.open>): Promise<Lane> => {
      const made = await Lane.open(...lane);
      opened.push(made);
      return made;
    };
    try {
      // One after the other: the first may have to start the daemon.
      const look = await open({ ...options, name: 'look', onMessage, prepare, onLost, onReconnect });
      // Probes end with the connection that made them.
      const make = await open({ ...plain, name: 'make', onLost });
      const end = await open({ ...plain, name: 'end' });
      return new LibvirtLink(options, { look, make, end });
    } catch (error) {
      await Promise.all(opened.map((lane) => lane.close()));
      throw error;
    }
  }

  /** @param lane where it waits for its turn; that of its kind unless given */
  async call<A, R>(procedure: Procedure<A, R>, args: A, lane?: LaneName): Promise<R> {
    return this.#lanes[lane ?? usualLane(procedure.number)].call(procedure, args);
  }

  /** Opens a stream on a connection of its own, which ends with it. */
  async openStream<A>(procedure: Procedure<A, void>, args: A): Promise<Duplex> {
    const connection = await openConnection(this.#options, () => undefined, false);
    try {
      const stream = await connection.openStream(procedure, args);
      stream.once('close', () => connection.close());
      return stream;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#lanes).map((lane) => lane.close()));
  }
}

function usualLane(procedure: number): LaneName {
  if (looking.has(procedure)) return 'look';
  return ending.has(procedure) ? 'end' : 'make';
}

async function hearEvents(connection: Connection, uri: string): Promise<void> {
  try {
    await connection.call(procedures.eventRegister, { eventId: lifecycleId, domain: null });
  } catch (error) {
    throw new TidepoolError('unavailable', `libvirt at ${uri} gives no events`, { cause: error });
  }
}
