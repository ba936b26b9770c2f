import type { Clock } from '../domain/clock.ts';
import { type Ballast, type Disk, type DiskSpace, type ReserveRule, reserveOf } from '../domain/disk.ts';
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
  readonly isLow: boolean;
}

/**
 * Keeps a part of the disk for the database and for what runs. Below the reserve whatever is new is refused, and an alert is
 * raised; outputs of running jobs may use the reserve, but for its last part, which only the database may use. When other
 * programs have filled the disk to the last byte, a ballast file is given up, so that the database can be written still.
 */
export class DiskReserve {
  readonly #options: ReserveOptions;
  #space: DiskSpace | undefined;
  #measuredAtMs = Number.NEGATIVE_INFINITY;
  #measuring: Promise<void> | undefined;
  #isLow = false;
  /** Whether the alert of this was written. */
  #isAlarmed = false;
  #problem = '';

  constructor(options: ReserveOptions) {
    this.#options = options;
    this.#isAlarmed = options.wasRaised ?? false;
  }

  /** Undefined while the disk could not be asked. */
  get state(): DiskState | undefined {
    if (this.#space === undefined) return undefined;
    return { ...this.#space, reserveBytes: this.#reserveBytes(this.#space), isLow: this.#isLow };
  }

  /** Looks at the disk, raises or clears the alert, and gives the ballast up or takes it back. To be called all the time. */
  async look(): Promise<void> {
    await this.#measure();
    const space = this.#space;
    if (space === undefined) return;
    await this.#balance(space);
    if (this.#isLow === this.#isAlarmed) return;
    const isRaised = this.#isLow;
    await this.#options.alert(isRaised, this.#text(space), {
      freeBytes: space.freeBytes,
      totalBytes: space.totalBytes,
      reserveBytes: this.#reserveBytes(space),
    });
    this.#isAlarmed = isRaised;
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
    if (space === undefined || space.freeBytes >= this.#floorBytes(space)) return;
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
      this.#isLow = space.freeBytes < this.#reserveBytes(space) * (this.#isLow ? clearShare : 1);
      this.#problem = '';
    } catch (error) {
      const { message } = toTidepoolError(error);
      if (message !== this.#problem) log(`the disk of ${what} cannot be asked how much is free: ${message}`);
      this.#problem = message;
      this.#space = undefined;
    }
    this.#measuredAtMs = clock.uptimeMs();
  }

  async #balance(space: DiskSpace): Promise<void> {
    const { ballast, log, what } = this.#options;
    const wantedBytes = Math.min(mostBallastBytes, Math.floor(this.#reserveBytes(space) * ballastShare));
    if (space.freeBytes < wantedBytes / 2) {
      if (await ballast.drop()) log(`the disk of ${what} is full: the ballast is given up for the database`);
    } else if (!this.#isLow && ballast.sizeBytes < wantedBytes) {
      await ballast.fill(wantedBytes);
    }
  }

  #reserveBytes({ totalBytes }: DiskSpace): number {
    return reserveOf(this.#options.rule, totalBytes);
  }

  #floorBytes(space: DiskSpace): number {
    return Math.min(mostFloorBytes, this.#reserveBytes(space) * floorShare);
  }

  #text(space: DiskSpace): string {
    const { what } = this.#options;
    const kept = `${mebibytes(this.#reserveBytes(space))} are kept for what runs`;
    const free = `${mebibytes(space.freeBytes)} of ${mebibytes(space.totalBytes)} are free`;
    return this.#isLow
      ? `the disk of ${what} is nearly full: ${free}, and ${kept}; delete jobs, or make room on it`
      : `the disk of ${what} has room again: ${free}`;
  }
}

function full(message: string): TidepoolError {
  return new TidepoolError('exhausted', message, { details: { isDiskFull: true } });
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / 1024 ** 2)} MiB`;
}
