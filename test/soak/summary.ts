import type { SoakOptions } from './options.ts';
import type { SoakResult } from './soak.ts';

/** The figures of a soak, as lines for a person. */
export function summaryOf({ seed, forMs }: SoakOptions, result: SoakResult): string {
  const made = [...result.faults].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const total = made.reduce((sum, [, count]) => sum + count, 0);
  const lines = [
    '',
    `seed ${seed}: ${total} faults in ${Math.round(forMs / 1_000)} s and ${result.rounds} rounds: ${made.map(([name, count]) => `${name} ${count}`).join(', ')}`,
    `${result.jobs} jobs ended in ${result.attempts} attempts; ${result.refused} submissions were refused for want of room`,
    `${result.answered} requests were answered after ${result.retried} retries, the slowest after ${Math.round(result.longestWaitMs / 1_000)} s; ${result.machines} VMs lived`,
    result.violations.length === 0 ? 'nothing was lost' : `${result.violations.length} VIOLATIONS:`,
    ...result.violations.map((text) => `  ${text}`),
  ];
  if (result.folder !== null) lines.push(`the folder of the run stays, with what is mounted in it: ${result.folder}`);
  return lines.join('\n');
}
