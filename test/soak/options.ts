import { parseArgs } from 'node:util';

/** How a soak is to be run. */
export interface SoakOptions {
  /** How long faults are made, in milliseconds; what follows until all is well again comes on top. */
  readonly forMs: number;
  /** Chooses the faults, their order, the jobs and the requests. */
  readonly seed: number;
  /** Mean time between two faults, in milliseconds. */
  readonly everyMs: number;
  /** Names of the kinds of faults that are made; all of them when it is empty. */
  readonly only: readonly string[];
  /** Whether the folder of the run stays when it has failed. */
  readonly keep: boolean;
}

export const soakUsage = `usage: npm run soak -- [--for 30m] [--seed N] [--every 5s] [--only KIND]... [--keep]
  --for    how long faults are made (default 10m): a number with s, m or h
  --seed   chooses everything that is random; printed at the start (default: a random one)
  --every  mean time between two faults (default 5s)
  --only   only faults of this kind; may be repeated
  --keep   leave the folder of a run that failed as it is`;

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/** Reads the arguments of `npm run soak`. Returns a sentence for the user when they are wrong. */
export function readSoakOptions(args: readonly string[], randomSeed: number): SoakOptions | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        for: { type: 'string', default: '10m' },
        seed: { type: 'string', default: String(randomSeed) },
        every: { type: 'string', default: '5s' },
        only: { type: 'string', multiple: true, default: [] },
        keep: { type: 'boolean', default: false },
      },
    });
    const forMs = durationMs(values.for);
    const everyMs = durationMs(values.every);
    if (forMs === undefined) return `--for ${values.for} is no time; write it like 90s, 30m or 2h`;
    if (everyMs === undefined) return `--every ${values.every} is no time; write it like 500s or 1m`;
    if (!/^\d{1,9}$/.test(values.seed)) return `--seed ${values.seed} is no whole number of at most 9 digits`;
    return { forMs, everyMs, seed: Number(values.seed), only: values.only, keep: values.keep };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function durationMs(text: string): number | undefined {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)([smh])$/.exec(text) ?? [];
  const ms = Number(number) * (units[unit] ?? Number.NaN);
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}
