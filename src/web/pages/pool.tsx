import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import type { WhoView } from '../../protocol/account.ts';
import type { PoolView } from '../../protocol/api.ts';
import { explain } from '../../protocol/decision.ts';
import { answer, api } from '../api/client.ts';
import { refreshMs } from '../api/queries.ts';
import { useLive } from '../live/events.ts';
import { useUsage } from '../live/use-usage.ts';
import { timeOfDay } from '../text/format.ts';
import { Button } from '../ui/button.tsx';
import { Card, Page } from '../ui/page.tsx';
import { Answer } from '../ui/states.tsx';
import { useAction } from '../ui/use-action.ts';
import { PoolChart } from './pool-chart.tsx';
import { PoolFigures } from './pool-figures.tsx';
import { PoolSettings } from './pool-settings.tsx';
import { VmTable } from './vm-table.tsx';

const shownDecisions = 20;

/** One pool: its curves, what was decided and why, its VMs; administrators change it here. */
export default function PoolPage({ name, who }: { name: string; who: WhoView }) {
  const query = useQuery({
    queryKey: ['pools', name],
    queryFn: () => answer(api.GET('/api/v1/pools/{name}', { params: { path: { name } } })),
    refetchInterval: refreshMs,
  });
  return (
    <Answer query={query} what="the pool">
      {(pool) => <Pool pool={pool} isAdmin={who.role === 'admin'} />}
    </Answer>
  );
}

function Pool({ pool, isAdmin }: { pool: PoolView; isAdmin: boolean }) {
  const { data: usage } = useUsage();
  return (
    <Page title={`Pool ${pool.name}`} actions={isAdmin && <PauseButton pool={pool} />}>
      <Card title="VMs" actions={isAdmin && <Scale pool={pool} />}>
        <PoolFigures pool={pool} />
      </Card>
      <Card title="CPU">
        <PoolChart pool={pool} usage={usage} />
      </Card>
      <div className="columns">
        <Decisions pool={pool} />
        <PoolSettings pool={pool} isAdmin={isAdmin} />
      </div>
      <Card title="Its machines">
        <VmTable pool={pool.name} isAdmin={isAdmin} />
      </Card>
    </Page>
  );
}

function PauseButton({ pool: { name, paused } }: { pool: PoolView }) {
  const params = { path: { name } };
  const change = useAction(
    () => answer(api.POST(`/api/v1/pools/{name}/${paused ? 'resume' : 'pause'}`, { params })),
    paused ? 'the autoscaler goes on' : 'the autoscaler decides, but changes nothing',
  );
  return (
    <Button busy={change.isPending} onClick={() => change.mutate()}>
      {paused ? 'Resume the autoscaler' : 'Pause the autoscaler'}
    </Button>
  );
}

function Scale({ pool: { name, counts, settings } }: { pool: PoolView }) {
  const [text, setText] = useState('');
  const params = { path: { name } };
  const scale = useAction(
    (desired: number) => answer(api.POST('/api/v1/pools/{name}/scale', { params, body: { desired } })),
    (desired) => `${name} is to have ${desired} VMs`,
  );
  return (
    <form
      className="row"
      onSubmit={(event) => {
        event.preventDefault();
        scale.mutate(Number(text));
        setText('');
      }}
    >
      <Button
        small
        aria-label="One VM fewer"
        disabled={counts.desired <= settings.min}
        busy={scale.isPending}
        onClick={() => scale.mutate(counts.desired - 1)}
      >
        −
      </Button>
      <Button
        small
        aria-label="One VM more"
        disabled={counts.desired >= settings.max}
        busy={scale.isPending}
        onClick={() => scale.mutate(counts.desired + 1)}
      >
        +
      </Button>
      <input
        className="short"
        type="number"
        aria-label="Number of VMs"
        placeholder={String(counts.desired)}
        min={settings.min}
        max={settings.max}
        required
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <Button small type="submit" busy={scale.isPending}>
        Scale
      </Button>
    </form>
  );
}

function Decisions({ pool }: { pool: PoolView }) {
  const { events } = useLive();
  const past = events
    .filter((event) => event.pool === pool.name && /^(pool|alert)\./.test(event.name))
    .slice(0, shownDecisions);
  return (
    <Card title="Decisions" actions={<Link href="/events">All events</Link>}>
      {pool.decision === null ? (
        <p className="faint">Nothing is decided by itself: the pool has no policy.</p>
      ) : (
        <p>
          <span className="faint">{timeOfDay(pool.decision.atMs)}</span> {explain(pool.decision)}
          {pool.paused && '; paused, so nothing is done'}
        </p>
      )}
      <ol className="happenings">
        {past.map(({ id, atMs, text, name }) => (
          <li key={id} className={name === 'alert.raised' ? 'bad' : ''}>
            <span className="faint">{timeOfDay(atMs)}</span> {text}
          </li>
        ))}
      </ol>
    </Card>
  );
}
