import type { Process } from '../../src/processes/process-table.ts';
import type { AttemptView } from '../../src/protocol/api.ts';

/** A look may come this long after what it sees, on a machine with much to do. */
const slackMs = 1_500;

/** Time of a QEMU process, from the first look that saw it to the first that did not, in true milliseconds since 1970. */
export interface Life {
  readonly vm: string;
  readonly process: Process;
  readonly fromMs: number;
  /** Null while it lives. */
  untilMs: number | null;
}

/** From this true moment on, the server's wall clock differs by this. */
export interface ClockOffset {
  readonly atMs: number;
  readonly offsetMs: number;
}

/** Outcomes of attempts whose own agent said that they do not run. */
const endedInside: ReadonlySet<string> = new Set(['worker_fault', 'not_started']);

/**
 * Returns the machine in which the earlier attempt of a job may still have run when the later one was begun; undefined when there was
 * none. Where a clock was set, one stamp can be that of several moments; an overlap must be there for each of them.
 * @param offsets in the order of their times
 */
export function overlapOf(
  earlier: AttemptView,
  later: AttemptView,
  lives: readonly Life[],
  offsets: readonly ClockOffset[],
): Life | undefined {
  if (endedInside.has(earlier.outcome ?? '')) return undefined;
  const moments = trueTimes(earlier.assignedAtMs, offsets).flatMap((beganMs) =>
    trueTimes(later.assignedAtMs, offsets)
      .filter((againMs) => againMs >= beganMs)
      .map((againMs) => ({ beganMs, againMs })),
  );
  const overlaps = moments.map(({ beganMs, againMs }) => {
    const life = lives.find(
      ({ vm, fromMs, untilMs }) =>
        vm === earlier.vm && fromMs - slackMs <= beganMs && (untilMs ?? Number.POSITIVE_INFINITY) >= beganMs,
    );
    const isOver = life === undefined || (life.untilMs !== null && life.untilMs <= againMs + slackMs);
    return isOver ? undefined : life;
  });
  return overlaps.every((life) => life !== undefined) ? overlaps[0] : undefined;
}

/** All true times that a stamp of the server's may have. */
function trueTimes(stampMs: number, offsets: readonly ClockOffset[]): number[] {
  return offsets.flatMap(({ atMs, offsetMs }, index) => {
    const untilMs = offsets[index + 1]?.atMs ?? Number.POSITIVE_INFINITY;
    const trueMs = stampMs - offsetMs;
    return trueMs >= atMs - slackMs && trueMs <= untilMs + slackMs ? [trueMs] : [];
  });
}
