import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import type { PoolView } from '../../protocol/api.ts';
import { explain } from '../../protocol/decision.ts';
import { poolsQuery } from '../api/queries.ts';
import { useUsage } from '../live/use-usage.ts';
import { timeOfDay } from '../text/format.ts';
import { Card, Page } from '../ui/page.tsx';
import { Answer, Empty } from '../ui/states.tsx';
import { PoolChart } from './pool-chart.tsx';
import { PoolFigures } from './pool-figures.tsx';

/** All pools with their curves: what one leaves open on a wall. */
export default function PoolsPage() {
  const query = useQuery(poolsQuery);
  return (
    <Page title="Pools">
      <Answer query={query} what="pools">
        {({ pools, queuedJobs }) => (
          <>
            <p className="lead faint">{queuedJobs === 1 ? '1 job waits' : `${queuedJobs} jobs wait`} in the queue.</p>
            {pools.length === 0 && <Empty title="There is no pool" />}
            {pools.map((pool) => (
              <PoolCard key={pool.name} pool={pool} />
            ))}
          </>
        )}
      </Answer>
    </Page>
  );
}

function PoolCard({ pool }: { pool: PoolView }) {
  const { data: usage } = useUsage();
  return (
    <Card
      title={pool.name}
      actions={
        <>
          {pool.paused && <span className="badge warn">autoscaler paused</span>}
          <Link href={`/pools/${pool.name}`} className="button small" aria-label={`Open pool ${pool.name}`}>
            Open
          </Link>
        </>
      }
    >
      <PoolFigures pool={pool} />
      <PoolChart pool={pool} usage={usage} height={200} />
      {pool.decision !== null && (
        <p className="faint">
          {timeOfDay(pool.decision.atMs)}: {explain(pool.decision)}
        </p>
      )}
    </Card>
  );
}
