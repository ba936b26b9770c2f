import type { BalancedService } from '../domain/balancer.ts';
import { address, serverId, serverOptions, successor } from './config.ts';
import type { KnownServer } from './tables.ts';

/** A server that HAProxy has, with what is on it. */
export interface BusyServer extends KnownServer {
  readonly inFlight: number;
  /** It is not wanted any more, and has had time enough to finish. */
  readonly isOverdue: boolean;
  /** Its checks have failed for a while. */
  readonly isDead: boolean;
}

/**
 * The commands that bring the servers that a worker has to those that are wanted, in their order. A server that is not
 * wanted drains first; it is removed by a later call, once it was seen to drain with nothing on it, or is overdue. Pure.
 */
export function serverCommands(services: readonly BalancedService[], has: readonly BusyServer[]): string[] {
  return services.flatMap((service) => {
    const own = has.filter(({ service: its, id }) => its === service.name && id !== successor);
    const wanted = new Map(service.servers.map((server) => [serverId(server), server]));
    return [
      ...[...wanted].flatMap(([id, server]) => {
        if (server.state !== 'serving') return [];
        const there = own.find((one) => one.id === id);
        const place = `${service.name}/${id}`;
        if (there === undefined)
          return [`add server ${place} ${address(server)} ${serverOptions(service)}`, ...opening(place)];
        return there.isDraining || there.isInMaintenance ? opening(place) : [];
      }),
      ...own.flatMap((server) => {
        const state = wanted.get(server.id)?.state;
        const closed = state === 'serving' ? [] : closing(server, state === undefined);
        return [...giveUp(server), ...closed];
      }),
    ];
  });
}

/** One that was added, or is in maintenance, is not checked until it is told to be. */
function opening(place: string): string[] {
  return [`enable health ${place}`, `set server ${place} state ready`];
}

/**
 * Ends what is on a server that does not answer: HAProxy then asks another one, where it may. Its own way to do so
 * (`on-marked-down shutdown-sessions`) also cuts requests that it is just then taking elsewhere.
 */
function giveUp(server: BusyServer): string[] {
  const isHopeless = server.inFlight > 0 && (server.isDead || server.isOverdue);
  return isHopeless ? [`shutdown sessions server ${server.service}/${server.id}`] : [];
}

function closing(server: BusyServer, isRemoved: boolean): string[] {
  const place = `${server.service}/${server.id}`;
  const isClosed = server.isDraining || server.isInMaintenance;
  if (!isClosed) return [`set server ${place} state drain`];
  if (!isRemoved || server.inFlight > 0) return [];
  // Maintenance ends its idle connections, without which it cannot be deleted.
  return [`set server ${place} state maint`, `del server ${place}`];
}
