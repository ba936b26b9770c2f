import type { SimulationResult } from './run.ts';

/** The results as JSON: one object a policy, shares in percent. */
export function toJson(results: readonly SimulationResult[]): string {
  return JSON.stringify(results.map(rounded), null, 2);
}

/** The results as aligned columns, policies as rows. */
export function toTable(results: readonly SimulationResult[]): string {
  const rows = results.map((result) => [
    result.policy,
    result.thetaU.toFixed(2),
    result.thetaO.toFixed(2),
    result.tauU.toFixed(2),
    result.tauO.toFixed(2),
    result.elasticSpeedup.toFixed(2),
    String(result.reversals),
    result.vmHours.toFixed(1),
    result.p99Ms.toFixed(1),
    String(result.dropped),
  ]);
  return align([
    ['policy', 'θU %', 'θO %', 'τU %', 'τO %', 'speedup', 'reversals', 'VM-hours', 'p99 ms', 'dropped'],
    ...rows,
  ]);
}

/** The first column to the left, numbers to the right. */
function align(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const cell = (text: string, i: number) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0));
  return rows.map((row) => row.map(cell).join('  ')).join('\n');
}

function rounded(result: SimulationResult): SimulationResult {
  const to = (value: number, digits: number) => Number(value.toFixed(digits));
  return {
    policy: result.policy,
    thetaU: to(result.thetaU, 4),
    thetaO: to(result.thetaO, 4),
    tauU: to(result.tauU, 4),
    tauO: to(result.tauO, 4),
    elasticSpeedup: to(result.elasticSpeedup, 4),
    reversals: result.reversals,
    vmHours: to(result.vmHours, 3),
    p99Ms: to(result.p99Ms, 2),
    dropped: result.dropped,
  };
}
