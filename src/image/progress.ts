/** What a build is doing. `fraction` is of the whole build, 0 to 1, and never goes back. */
export interface BuildProgress {
  readonly step: 'waiting' | 'packages' | 'building' | 'reading' | 'disk' | 'compressing' | 'done';
  /** For a person, e.g. `unpacking package 31 of 102`. */
  readonly label: string;
  readonly fraction: number;
}

export type ReportProgress = (progress: BuildProgress) => void;

/** Passes on only what moves forward, so that a display never jumps back. */
export function forwardOnly(report: ReportProgress | undefined): ReportProgress {
  let reached = 0;
  return (progress) => {
    reached = Math.max(reached, Math.min(progress.fraction, 1));
    report?.({ ...progress, fraction: reached });
  };
}

/**
 * Reads how far mmdebstrap is from the lines that it prints with `--debug`: apt's count of packages, one line for
 * each that is fetched, one for each that is unpacked. Returns the fraction of that work and a label, or undefined
 * for a line that tells nothing.
 */
export function packageProgress(): (line: string) => { fraction: number; label: string } | undefined {
  let total = 0;
  let fetched = 0;
  let unpacked = 0;
  return (line) => {
    const announced = /(\d+) newly installed/.exec(line)?.[1];
    if (announced !== undefined) total = Number(announced);
    else if (total > 0 && /^Get:\d+ /.test(line)) fetched += 1;
    else if (total > 0 && line.includes('running dpkg-deb --fsys-tarfile')) unpacked += 1;
    else return undefined;
    const share = (count: number): number => (total === 0 ? 0 : Math.min(count / total, 1));
    const label =
      unpacked > 0 ? `unpacking package ${unpacked} of ${total}` : `fetching package ${fetched} of ${total}`;
    return { fraction: 0.5 * share(fetched) + 0.5 * share(unpacked), label };
  };
}
