import type { PoolView } from '../../protocol/api.ts';

/** How many VMs there are in each state, and how many are wanted. */
export function PoolFigures({ pool: { counts, settings } }: { pool: PoolView }) {
  const figures = [
    ['wanted', counts.desired, `of ${settings.min} to ${settings.max}`],
    ['ready', counts.ready, ''],
    ['booting', counts.booting, ''],
    ['warm', counts.warm, `of ${settings.warm}`],
    ['draining', counts.draining, ''],
    ['failed', counts.failed, ''],
  ] as const;
  return (
    <div className="figures">
      {figures.map(([name, count, more]) => (
        <div key={name} className={name === 'failed' && count > 0 ? 'figure bad' : 'figure'}>
          <b>{count}</b>
          <span>
            {name} {more}
          </span>
        </div>
      ))}
    </div>
  );
}
