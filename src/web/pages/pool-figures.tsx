import type { PoolView } from '../../protocol/api.ts';
import { Figure } from '../ui/page.tsx';

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
        <Figure key={name} name={`${name} ${more}`} value={String(count)} isBad={name === 'failed' && count > 0} />
      ))}
    </div>
  );
}
