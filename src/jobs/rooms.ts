import type { QueuedJob } from '../domain/queue.ts';
import { Room, type Worker } from './room.ts';
import type { Placement } from './rules.ts';

/** A room, with its place in the order of names. */
interface Placed {
  readonly room: Room;
  readonly at: number;
}

/** Rooms that accept the same jobs: all about them is equal, and none is reserved. The first by name is last. */
interface Group {
  readonly freeCpus: number;
  readonly rooms: Placed[];
}

/** When an able room has room for a job at the latest. */
interface Opening extends Placed {
  readonly atMs: number;
}

/**
 * The rooms of all workers while a schedule is made, grouped by what they have free. A job is compared with each group
 * instead of each room: 10,000 workers of the same size with similar jobs on them are a few groups.
 */
export class Rooms {
  /** Ordered by name. */
  readonly #all: readonly Placed[];
  readonly #groups = new Map<string, Group>();
  /** Short names of what keys are made of: large numbers are slow to print. */
  readonly #shortNames = new Map<string | number, number>();
  /** The groups, ordered by their free CPUs. */
  readonly #byCpus: Group[] = [];
  readonly #reserved: Placed[] = [];
  /** By what a job needs: rooms that are able to run it, the one that opens first last. Rooms only open later in a run. */
  readonly #openings = new Map<string, Opening[]>();

  constructor(workers: readonly Worker[]) {
    const sorted = workers.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    this.#all = sorted.map((worker, at) => ({ room: new Room(worker), at }));
    // From the last on: each is then the first by name of its group.
    for (const placed of this.#all.toReversed()) this.#join(placed);
  }

  /** At least one room of each kind. What holds for no room of these holds for no room at all. */
  samples(): Room[] {
    const groups = this.#byCpus.flatMap(({ rooms }) => rooms.at(-1) ?? []);
    return [...groups, ...this.#reserved].map(({ room }) => room);
  }

  /**
   * Takes room for the job on the best worker that accepts it, and returns the worker's name; undefined when none does.
   * @param lastWorker the worker that got the job before
   */
  take(job: QueuedJob, untilMs: number, placement: Placement, lastWorker: string | undefined): string | undefined {
    const best = this.#best(job, untilMs, placement, lastWorker);
    if (best === undefined) return undefined;
    const { room } = best;
    if (room.isReserved) room.take(job, untilMs);
    else {
      this.#leave(best);
      room.take(job, untilMs);
      this.#join(best);
    }
    return room.worker.name;
  }

  /** Reserves room on the worker that has it first; undefined when no worker without a reservation is able to run it. */
  reserve(job: QueuedJob, nowMs: number): { readonly worker: string; readonly atMs: number } | undefined {
    const first = this.#firstOpening(job, nowMs);
    if (first === undefined) return undefined;
    this.#leave(first);
    first.room.reserve(job, first.atMs);
    this.#reserved.push(first);
    return { worker: first.room.worker.name, atMs: first.atMs };
  }

  #best(job: QueuedJob, untilMs: number, placement: Placement, lastWorker: string | undefined): Placed | undefined {
    const from = placement === 'round-robin' && lastWorker !== undefined ? this.#after(lastWorker) : 0;
    const isBetter = orders[placement](from);
    let best: Placed | undefined;
    const consider = (one: Placed | undefined): void => {
      if (one !== undefined && (best === undefined || isBetter(one, best))) best = one;
    };
    for (const one of this.#reserved) if (accepts(one.room, job, untilMs)) consider(one);
    const groups = this.#byCpus;
    const isPack = placement === 'pack';
    for (let i = 0; i < groups.length; i += 1) {
      const group = groups[isPack ? i : groups.length - 1 - i];
      const first = group?.rooms.at(-1);
      if (group === undefined || first === undefined) continue;
      if (!isPack && !first.room.hasCpus(job.cpus)) break;
      // Those that follow have more (or less) CPUs free than what was found.
      if (placement !== 'round-robin' && best !== undefined && best.room.freeCpus !== group.freeCpus) {
        if (isPack === best.room.freeCpus < group.freeCpus) break;
      }
      if (accepts(first.room, job, untilMs)) consider(placement === 'round-robin' ? turnOf(group, from) : first);
    }
    return best;
  }

  /** The place of the first worker after this one by name. */
  #after(worker: string): number {
    return lowerBound(this.#all, ({ room }) => room.worker.name <= worker);
  }

  #firstOpening(job: QueuedJob, nowMs: number): Opening | undefined {
    const own = job.excluded === undefined ? '' : job.id;
    const need = `${job.runtime} ${job.cpus} ${job.memoryBytes} ${job.diskBytes} ${own}`;
    const openings = this.#openings.get(need) ?? this.#findOpenings(job, nowMs);
    this.#openings.set(need, openings);
    for (let next = openings.pop(); next !== undefined; next = openings.pop()) {
      const { room } = next;
      if (room.isReserved) continue;
      const opening = { ...next, atMs: room.roomAtMs(job, nowMs) };
      if (opening.atMs === next.atMs) return opening;
      openings.splice(
        lowerBound(openings, (other) => opensBefore(opening, other)),
        0,
        opening,
      );
    }
    return undefined;
  }

  #findOpenings(job: QueuedJob, nowMs: number): Opening[] {
    const mayRun = (room: Room): boolean => room.isAble(job) && !room.isExcluded(job);
    if (!this.samples().some(mayRun)) return [];
    const able = this.#all.filter(({ room }) => !room.isReserved && mayRun(room));
    const openings = able.map((one): Opening => ({ ...one, atMs: one.room.roomAtMs(job, nowMs) }));
    return openings.sort((a, b) => (opensBefore(a, b) ? 1 : -1));
  }

  #keyOf(room: Room): string {
    let key = '';
    for (const part of room.kind) {
      let name = this.#shortNames.get(part);
      if (name === undefined) {
        name = this.#shortNames.size;
        this.#shortNames.set(part, name);
      }
      key += ` ${name}`;
    }
    return key;
  }

  #join(placed: Placed): void {
    const { room } = placed;
    const key = this.#keyOf(room);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { freeCpus: room.freeCpus, rooms: [] };
      this.#groups.set(key, group);
      this.#byCpus.splice(
        lowerBound(this.#byCpus, (other) => other.freeCpus < room.freeCpus),
        0,
        group,
      );
    }
    const { rooms } = group;
    rooms.splice(
      lowerBound(rooms, ({ at }) => at > placed.at),
      0,
      placed,
    );
  }

  #leave({ room, at }: Placed): void {
    const key = this.#keyOf(room);
    const group = this.#groups.get(key);
    if (group === undefined) return;
    const { rooms } = group;
    rooms.splice(
      lowerBound(rooms, (one) => one.at > at),
      1,
    );
    if (rooms.length > 0) return;
    this.#groups.delete(key);
    this.#byCpus.splice(this.#byCpus.indexOf(group), 1);
  }
}

type IsBetter = (a: Placed, b: Placed) => boolean;

/** How rooms that accept a job are compared. @param from the place at which turns begin */
const orders: Readonly<Record<Placement, (from: number) => IsBetter>> = {
  pack: () => (a, b) => a.room.freeCpus - b.room.freeCpus < 0 || (a.room.freeCpus === b.room.freeCpus && a.at < b.at),
  spread: () => (a, b) => a.room.freeCpus - b.room.freeCpus > 0 || (a.room.freeCpus === b.room.freeCpus && a.at < b.at),
  'round-robin': (from) => (a, b) => (a.at >= from === b.at >= from ? a.at < b.at : a.at >= from),
};

/** The room of a group whose turn is next. */
function turnOf({ rooms }: Group, from: number): Placed | undefined {
  return rooms[lowerBound(rooms, ({ at }) => at >= from) - 1] ?? rooms.at(-1);
}

function accepts(room: Room, job: QueuedJob, untilMs: number): boolean {
  return !room.isFull && room.accepts(job, untilMs);
}

function opensBefore(a: Opening, b: Opening): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.at < b.at);
}

/** Index of the first item for which `isBefore` does not hold, in a list that begins with those for which it does. */
function lowerBound<T>(items: readonly T[], isBefore: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(items[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low;
}
