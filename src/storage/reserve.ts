import type { Clock } from '../domain/clock.ts';
import {
  type Ballast,
  type Disk,
  type DiskSpace,
  inodeReserveOf,
  type ReserveRule,
  reserveOf,
} from '../domain/disk.ts';
import { TidepoolError, toTidepoolError } from '../domain/errors.ts';

/** A measurement is good for this long; many writes come in between. */
const freshMs = 500;
/** An alert is cleared when this much more than the reserve is free, so that it does not flicker. */
const clearShare = 1.1;
/** Below this share of the reserve not even outputs are written: the rest is the database's. */
const floorShare = 1 / 4;
/** Bytes put by, for when programs that are not ours fill the disk. */
const ballastShare = 1 / 8;
const mostFloorBytes = 64 * 1024 ** 2;
const mostBallastBytes = 32 * 1024 ** 2;
/** A disk that has not answered for this long is not there any more. */
const goneMs = 10_000;
/** A ballast that could not be written is not tried again for this long: each try may write some of it. */
const refillPauseMs = 600_000;
/** Written between two looks at the disk while an upload comes in. */
const bytesBetweenChecks = 4 * 1024 ** 2;

export interface ReserveOptions {
  readonly disk: Disk;
  readonly ballast: Ballast;
  readonly rule: ReserveRule;
  readonly clock: Pick<Clock, 'uptimeMs'>;
  /** Whether the server before this one raised the alert and did not clear it. */
  readonly wasRaised?: boolean;
  /** What the disk holds, e.g. "the data folder /x". */
  readonly what: string;
  alert(isRaised: boolean, text: string, data: Readonly<Record<string, number>>): Promise<void>;
  log(message: string): void;
}

/** What is known of the disk. */
export interface DiskState extends DiskSpace {
  readonly reserveBytes: number;
  /** Inodes that are kept; undefined where the file system has no limit of them. */
  readonly reserveInodes: number | undefined;
  readonly isLow: boolean;
}

/** What an alert says of the disk. After a restart it is not known what the one that is open says. */
type Condition = 'fine' | 'low' | 'gone' | 'some trouble';

/**
 * Keeps a part of the disk for the database and for what runs. Below the reserve whatever is new is refused, and an alert is
 * raised; outputs of running jobs may use the reserve, but for its last part, which only the database may use. Inodes count as bytes
 * do. When other programs have filled the disk to the last byte, a ballast file is given up, so that the database can be written
 * still. A disk that gives no answer refuses nothing; when that lasts, an alert is raised.
 */
export class DiskReserve {
  readonly #options: ReserveOptions;
  #space: DiskSpace | undefined;
  #measuredAtMs = Number.NEGATIVE_INFINITY;
  #measuring: Promise<void> | undefined;
  #isLow = false;
  /** What the alert that was written last says. */
  #alarmed: Condition;
  #problem = '';
  #silentSinceMs: number | undefined;
  #ballastProblem = '';
  #refillAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: ReserveOptions) {
    this.#options = options;
    this.#alarmed = options.wasRaised === true ? 'some trouble' : 'fine';
  }

  /** Undefined while the disk could not be asked. */
  get state(): DiskState | undefined {
    if (this.#space === undefined) return undefined;
    const reserveInodes = this.#space.inodes && inodeReserveOf(this.#space.inodes.total);
    return { ...this.#space, reserveBytes: this.#reserveBytes(this.#space), reserveInodes, isLow: this.#isLow };
  }

  /** Looks at the disk, raises or clears the alert, and gives the ballast up or takes it back. To be called all the time. */
  async look(): Promise<void> {
    await this.#measure();
    const space = this.#space;
    if (space !== undefined) await this.#balance(space);
    const condition = this.#condition();
    if (condition === undefined || condition === this.#alarmed) return;
    const isKnown = this.#alarmed === 'some trouble' && condition === 'low';
    if (!isKnown) await this.#options.alert(condition !== 'fine', this.#words(space), this.#figures(space));
    this.#alarmed = condition;
  }

  /** Refuses what would be new on the disk. Error: `exhausted`. @param what e.g. "an upload" */
  async checkRoom(what: string): Promise<void> {
    const space = await this.#fresh();
    if (space === undefined || !this.#isLow) return;
    throw full(`${what} is refused: ${this.#text(space)}`);
  }

  /** Refuses outputs too when only the database's part is left. Error: `exhausted`. */
  async checkOutput(): Promise<void> {
    const space = await this.#fresh();
    if (space === undefined || this.#hasFloor(space)) return;
    throw full(`no output can be written: ${this.#text(space)}`);
  }

  /** The same bytes; looks at the disk now and then while they come. Error: `exhausted`. */
  async *guarded(source: AsyncIterable<Uint8Array>, what: string): AsyncGenerator<Uint8Array> {
    let unchecked = bytesBetweenChecks;
    for await (const chunk of source) {
      unchecked += chunk.length;
      if (unchecked >= bytesBetweenChecks) {
        await this.checkRoom(what);
        unchecked = 0;
      }
      yield chunk;
    }
  }

  async #fresh(): Promise<DiskSpace | undefined> {
    if (this.#options.clock.uptimeMs() - this.#measuredAtMs >= freshMs) await this.#measure();
    return this.#space;
  }

  #measure(): Promise<void> {
    this.#measuring ??= this.#ask().finally(() => {
      this.#measuring = undefined;
    });
    return this.#measuring;
  }

  /** A disk that cannot be asked is not taken for a full one. */
  async #ask(): Promise<void> {
    const { disk, clock, log, what } = this.#options;
    try {
      const space = await disk.space();
      this.#space = space;
      const share = this.#isLow ? clearShare : 1;
      this.#isLow = space.freeBytes < this.#reserveBytes(space) * share || lacksInodes(space, share);
      this.#problem = '';
      this.#silentSinceMs = undefined;
    } catch (error) {
      const { message } = toTidepoolError(error);
      if (message !== this.#problem) log(`the disk of ${what} cannot be asked how much is free: ${message}`);
      this.#problem = message;
      this.#space = undefined;
      this.#silentSinceMs ??= clock.uptimeMs();
    }
    this.#measuredAtMs = clock.uptimeMs();
  }

  /** Undefined while it is not known: the disk has given no answer for a moment. */
  #condition(): Exclude<Condition, 'some trouble'> | undefined {
    if (this.#silentSinceMs === undefined) return this.#isLow ? 'low' : 'fine';
    return this.#options.clock.uptimeMs() - this.#silentSinceMs >= goneMs ? 'gone' : undefined;
  }

  /** Never rejects: trouble with the ballast must not keep the alert back. */
  async #balance(space: DiskSpace): Promise<void> {
    const { ballast, log, what, clock } = this.#options;
    const wantedBytes = Math.min(mostBallastBytes, Math.floor(this.#reserveBytes(space) * ballastShare));
    try {
      if (space.freeBytes < wantedBytes / 2) {
        if (await ballast.drop()) log(`the disk of ${what} is full: the ballast is given up for the database`);
      } else if (!this.#isLow && ballast.sizeBytes < wantedBytes && clock.uptimeMs() >= this.#refillAtMs) {
        await ballast.fill(wantedBytes);
      } else return;
      this.#ballastProblem = '';
    } catch (error) {
      this.#refillAtMs = clock.uptimeMs() + refillPauseMs;
      const { message } = toTidepoolError(error);
      if (message !== this.#ballastProblem)
        log(`the ballast of ${what} can be neither written nor given up: ${message}`);
      this.#ballastProblem = message;
    }
  }

  #reserveBytes({ totalBytes }: DiskSpace): number {
    return reserveOf(this.#options.rule, totalBytes);
  }

  /** Whether there is more left than what only the database may use. */
  #hasFloor(space: DiskSpace): boolean {
    const floorBytes = Math.min(mostFloorBytes, this.#reserveBytes(space) * floorShare);
    return space.freeBytes >= floorBytes && !lacksInodes(space, floorShare);
  }

  #words(space: DiskSpace | undefined): string {
    if (space !== undefined) return this.#text(space);
    const { what } = this.#options;
    return `${what} is gone, or its disk does not answer: ${this.#problem}; put it back, or stop the server`;
  }

  #figures(space: DiskSpace | undefined): Record<string, number> {
    if (space === undefined) return {};
    const { freeBytes, totalBytes, inodes } = space;
    const files = inodes && { freeInodes: inodes.free, totalInodes: inodes.total };
    return { freeBytes, totalBytes, reserveBytes: this.#reserveBytes(space), ...files };
  }

  #text(space: DiskSpace): string {
    const { what } = this.#options;
    const kept = `${mebibytes(this.#reserveBytes(space))} are kept for what runs`;
    const free = `${mebibytes(space.freeBytes)} of ${mebibytes(space.totalBytes)} are free`;
    if (!this.#isLow) return `the disk of ${what} has room again: ${free}`;
    const { inodes } = space;
    if (inodes === undefined || !lacksInodes(space, clearShare))
      return `the disk of ${what} is nearly full: ${free}, and ${kept}; delete jobs, or make room on it`;
    const files = `${inodes.free} of ${inodes.total} are free, and ${inodeReserveOf(inodes.total)} are kept for what runs`;
    return `the disk of ${what} has nearly no inodes left: ${files} (bytes: ${free}); delete jobs, or remove small files from it`;
  }
}

/** Whether less than this share of the inodes that are kept is free. */
function lacksInodes({ inodes }: DiskSpace, share: number): boolean {
  return inodes !== undefined && inodes.free < inodeReserveOf(inodes.total) * share;
}

function full(message: string): TidepoolError {
  return new TidepoolError('exhausted', message, { details: { isDiskFull: true } });
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / 1024 ** 2)} MiB`;
}
