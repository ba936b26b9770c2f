import type { PoolView } from '../../protocol/api.ts';
import { explain } from '../../protocol/decision.ts';
import { percent } from './chart.ts';
import { clean } from './spans.ts';
import { sampleOfNow, type TopState } from './state.ts';

/** A line for every pool, for logs and pipes. Pure. */
export function plainLines(state: TopState): string[] {
  const time = new Date(state.nowMs).toISOString().slice(11, 19);
  if (state.trouble !== null) return [`${time}  disconnected: ${clean(state.trouble)}`];
  return state.pools.map((pool) => `${time}  ${poolLine(pool, state)}`);
}

function poolLine(pool: PoolView, { vms, queued, nowMs }: TopState): string {
  const counts = Object.entries(pool.counts).map(([name, count]) => `${name} ${count}`);
  const cpu = vms
    .filter((vm) => vm.pool === pool.name)
    .map((vm) => {
      const newest = sampleOfNow(vm, nowMs);
      return `${vm.vm} ${newest === undefined ? '-' : percent(newest.cpu)}`;
    });
  const why = pool.decision === null ? [] : [explain(pool.decision)];
  return clean([pool.name, counts.join(' '), `queued ${queued}`, `CPU ${cpu.join(', ') || '-'}`, ...why].join('  '));
}
