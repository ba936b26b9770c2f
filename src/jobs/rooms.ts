import type { QueuedJob } from '../domain/queue.ts';
import { Room, type Worker } from './room.ts';
import type { Placement } from './rules.ts';
import type { WorkerChanges } from './workers.ts';

/** Rooms that accept the same jobs: all about them is equal, and none is reserved. The first by name is last. */
interface Group {
  readonly freeCpus: number;
  readonly rooms: Room[];
}

/** When an able room has room for a job at the latest. */
interface Opening {
  readonly room: Room;
  readonly atMs: number;
}

/**
 * The rooms of all workers while a schedule is made, grouped by what they have free. A job is compared with each group
 * instead of each room: 10,000 workers of the same size with similar jobs on them are a few groups. They are kept from one
 * schedule to the next (`renew`): most workers are then as they were.
 */
export class Rooms {
  readonly #byName = new Map<string, Room>();
  readonly #groups = new Map<string, Group>();
  /** The groups, ordered by their free CPUs. */
  readonly #byCpus: Group[] = [];
  readonly #reserved: Room[] = [];
  /** By what a job needs: rooms that are able to run it, the one that opens first last. Rooms only open later in a run. */
  readonly #openings = new Map<string, Opening[]>();
  /** Rooms in which something was taken or reserved since they were renewed. */
  readonly #touched = new Set<Room>();

  constructor(workers: readonly Worker[]) {
    this.renew({ changed: workers, gone: [] });
  }

  /** Begins another schedule: forgets what was taken and reserved in the last one, and takes over what workers are now. */
  renew({ changed, gone }: WorkerChanges): void {
    this.#openings.clear();
    const workers = new Map([...this.#touched].map(({ worker }) => [worker.name, worker]));
    for (const worker of changed) workers.set(worker.name, worker);
    for (const name of gone) workers.delete(name);
    for (const name of [...gone, ...workers.keys()]) this.#remove(name);
    this.#touched.clear();
    this.#reserved.length = 0;
    // A list by name, from its end on, puts each room at the end of its group, where it costs least.
    for (const worker of [...workers.values()].reverse()) {
      const room = new Room(worker);
      this.#byName.set(worker.name, room);
      this.#join(room);
    }
  }

  /** At least one room of each kind. What holds for no room of these holds for no room at all. */
  samples(): Room[] {
    return [...this.#byCpus.flatMap(({ rooms }) => rooms.at(-1) ?? []), ...this.#reserved];
  }

  /**
   * Takes room for the job on the best worker that accepts it, and returns the worker's name; undefined when none does.
   * @param lastWorker the worker that got the job before
   */
  take(job: QueuedJob, untilMs: number, placement: Placement, lastWorker: string | undefined): string | undefined {
    const best = this.#best(job, untilMs, placement, lastWorker);
    if (best === undefined) return undefined;
    this.#touched.add(best);
    if (best.isReserved) best.take(job, untilMs);
    else {
      this.#leave(best);
      best.take(job, untilMs);
      this.#join(best);
    }
    return best.worker.name;
  }

  /** Reserves room on the worker that has it first; undefined when no worker without a reservation is able to run it. */
  reserve(job: QueuedJob, nowMs: number): { readonly worker: string; readonly atMs: number } | undefined {
    const first = this.#firstOpening(job, nowMs);
    if (first === undefined) return undefined;
    const { room, atMs } = first;
    this.#touched.add(room);
    this.#leave(room);
    room.reserve(job, atMs);
    this.#reserved.push(room);
    return { worker: room.worker.name, atMs };
  }

  #best(job: QueuedJob, untilMs: number, placement: Placement, lastWorker: string | undefined): Room | undefined {
    const isBetter = orders[placement](lastWorker);
    let best: Room | undefined;
    const consider = (one: Room | undefined): void => {
      if (one !== undefined && (best === undefined || isBetter(one, best))) best = one;
    };
    for (const one of this.#reserved) if (accepts(one, job, untilMs)) consider(one);
    const groups = this.#byCpus;
    const isPack = placement === 'pack';
    for (let i = 0; i < groups.length; i += 1) {
      const group = groups[isPack ? i : groups.length - 1 - i];
      const first = group?.rooms.at(-1);
      if (group === undefined || first === undefined) continue;
      if (!isPack && !first.hasCpus(job.cpus)) break;
      // Those that follow have more (or less) CPUs free than what was found.
      if (placement !== 'round-robin' && best !== undefined && best.freeCpus !== group.freeCpus) {
        if (isPack === best.freeCpus < group.freeCpus) break;
      }
      if (accepts(first, job, untilMs)) consider(placement === 'round-robin' ? turnOf(group, lastWorker) : first);
    }
    return best;
  }

  #firstOpening(job: QueuedJob, nowMs: number): Opening | undefined {
    const own = job.excluded === undefined ? '' : job.id;
    const need = `${job.runtime} ${job.cpus} ${job.memoryBytes} ${job.diskBytes} ${own}`;
    const openings = this.#openings.get(need) ?? this.#findOpenings(job, nowMs);
    this.#openings.set(need, openings);
    for (let next = openings.pop(); next !== undefined; next = openings.pop()) {
      const { room } = next;
      if (room.isReserved) continue;
      const opening = { room, atMs: room.roomAtMs(job, nowMs) };
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
    const openings: Opening[] = [];
    for (const room of this.#byName.values()) {
      if (!room.isReserved && mayRun(room)) openings.push({ room, atMs: room.roomAtMs(job, nowMs) });
    }
    return openings.sort((a, b) => (opensBefore(a, b) ? 1 : -1));
  }

  #remove(name: string): void {
    const room = this.#byName.get(name);
    if (room === undefined) return;
    this.#byName.delete(name);
    if (!room.isReserved) this.#leave(room);
  }

  #join(room: Room): void {
    let group = this.#groups.get(room.kind);
    if (group === undefined) {
      group = { freeCpus: room.freeCpus, rooms: [] };
      this.#groups.set(room.kind, group);
      const before = lowerBound(this.#byCpus, (other) => other.freeCpus < room.freeCpus);
      this.#byCpus.splice(before, 0, group);
    }
    group.rooms.splice(placeIn(group, room), 0, room);
  }

  #leave(room: Room): void {
    const group = this.#groups.get(room.kind);
    if (group === undefined) return;
    group.rooms.splice(placeIn(group, room), 1);
    if (group.rooms.length > 0) return;
    this.#groups.delete(room.kind);
    this.#byCpus.splice(this.#byCpus.indexOf(group), 1);
  }
}

type IsBetter = (a: Room, b: Room) => boolean;

/** How rooms that accept a job are compared. @param last the worker after which turns begin, by name; undefined: at the first */
const orders: Readonly<Record<Placement, (last: string | undefined) => IsBetter>> = {
  pack: () => (a, b) => a.freeCpus < b.freeCpus || (a.freeCpus === b.freeCpus && isBefore(a, b)),
  spread: () => (a, b) => a.freeCpus > b.freeCpus || (a.freeCpus === b.freeCpus && isBefore(a, b)),
  'round-robin': (last) => (a, b) => (isAfter(a, last) === isAfter(b, last) ? isBefore(a, b) : isAfter(a, last)),
};

function isBefore(a: Room, b: Room): boolean {
  return a.worker.name < b.worker.name;
}

function isAfter({ worker }: Room, last: string | undefined): boolean {
  return last === undefined || worker.name > last;
}

/** The room of a group whose turn is next. */
function turnOf({ rooms }: Group, last: string | undefined): Room | undefined {
  return rooms[lowerBound(rooms, (room) => isAfter(room, last)) - 1] ?? rooms.at(-1);
}

/** Index of a room in its group. */
function placeIn({ rooms }: Group, room: Room): number {
  return lowerBound(rooms, (other) => isBefore(room, other));
}

function accepts(room: Room, job: QueuedJob, untilMs: number): boolean {
  return !room.isFull && room.accepts(job, untilMs);
}

function opensBefore(a: Opening, b: Opening): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && isBefore(a.room, b.room));
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
