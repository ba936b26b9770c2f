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

/** So many servers may lie in maintenance for good before a reload clears them away. */
const maxRetired = 50;

/**
 * Whether too many servers that are gone lie about. They are not deleted one by one: HAProxy 2.6 as Debian has it may crash
 * when a request that has ended on a server still remembers it (haproxy issues 2298 and 2378). Pure.
 */
export function needsClearing(services: readonly BalancedService[], has: readonly KnownServer[]): boolean {
  const wanted = new Set(services.flatMap(({ name, servers }) => servers.map((one) => `${name}/${serverId(one)}`)));
  const retired = has.filter(({ isInMaintenance, service, id }) => isInMaintenance && !wanted.has(`${service}/${id}`));
  return retired.length > maxRetired;
}

/**
 * The commands that bring the servers that a worker has to those that are wanted, in their order. A server that is not
 * wanted any more drains first, and is put into maintenance by a later call that finds nothing on it. Pure.
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
  if (server.isInMaintenance) return [];
  if (!server.isDraining) return [`set server ${place} state drain`];
  // Maintenance ends its checks and its idle connections.
  return isRemoved && server.inFlight === 0 ? [`set server ${place} state maint`] : [];
}
