import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import type { WhoView } from '../../protocol/account.ts';
import type { RevisionView, ServiceView } from '../../protocol/services.ts';
import { answer, api } from '../api/client.ts';
import { refreshMs } from '../api/queries.ts';
import { LazyChart } from '../chart/lazy-chart.tsx';
import { type Rate, useRates } from '../live/use-rates.ts';
import { useUsage } from '../live/use-usage.ts';
import { ago } from '../text/format.ts';
import { StateBadge } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { CodeBox } from '../ui/code-box.tsx';
import { Confirm } from '../ui/dialogs.tsx';
import { Card, Facts, Figure, Page } from '../ui/page.tsx';
import { Answer } from '../ui/states.tsx';
import { useAction } from '../ui/use-action.ts';
import { useNow } from '../ui/use-now.ts';
import { PoolChart } from './pool-chart.tsx';
import { ServiceLoad } from './service-load.tsx';
import { ServiceEndpoints, ServiceOutput } from './service-parts.tsx';
import { addressText } from './services.tsx';
import { VmTable } from './vm-table.tsx';

/** One service: how it is, its figures, revisions, endpoints, VMs and output. */
export default function ServicePage({ name, who }: { name: string; who: WhoView }) {
  const query = useQuery({
    queryKey: ['services', name],
    queryFn: () => answer(api.GET('/api/v1/services/{name}', { params: { path: { name } } })),
    refetchInterval: refreshMs,
  });
  return (
    <Answer query={query} what="the service">
      {(service) => <Service service={service} atMs={query.dataUpdatedAt} who={who} />}
    </Answer>
  );
}

function Service({ service, atMs, who }: { service: ServiceView; atMs: number; who: WhoView }) {
  const { name, state, reason, lastFailure } = service;
  const { data: usage } = useUsage();
  const rates = useRates(service, atMs);
  const { data: pools } = useQuery({
    queryKey: ['pools', name],
    queryFn: () => answer(api.GET('/api/v1/pools/{name}', { params: { path: { name } } })),
    enabled: service.vms.desired !== null,
    refetchInterval: refreshMs,
  });
  return (
    <Page title={name} actions={<Buttons service={service} />}>
      <p className="lead">
        <StateBadge state={state} /> {reason}
      </p>
      {lastFailure !== null && (
        <div className="note bad">
          <p>
            Revision {lastFailure.revision} on {lastFailure.vm}: {lastFailure.message}
          </p>
          {lastFailure.traceback !== '' && <CodeBox text={lastFailure.traceback} />}
        </div>
      )}
      <Traffic service={service} rates={rates} />
      <ServiceLoad service={name} protocol={service.protocol} />
      <div className="columns">
        <Revisions revisions={service.revisions} current={service.current} />
        <ServiceEndpoints service={name} stats={service.stats.vms} rates={rates.at(-1)?.vms} />
      </div>
      {pools !== undefined && (
        <Card
          title="CPU"
          actions={
            <Link href={`/pools/${name}`} className="button small">
              Open its pool
            </Link>
          }
        >
          <PoolChart pool={pools} usage={usage} height={220} />
        </Card>
      )}
      <Card title="Its machines">
        <VmTable pool={name} isAdmin={who.role === 'admin'} />
      </Card>
      <ServiceOutput service={name} />
    </Page>
  );
}

function Buttons({ service: { name, state, revisions } }: { service: ServiceView }) {
  const params = { path: { name } };
  const stop = useAction(() => answer(api.POST('/api/v1/services/{name}/stop', { params })), `${name} is stopping`);
  const start = useAction(() => answer(api.POST('/api/v1/services/{name}/start', { params })), `${name} is starting`);
  const back = useAction(
    () => answer(api.POST('/api/v1/services/{name}/rollback', { params })),
    'what served before is deployed again',
  );
  const remove = useAction(() => answer(api.DELETE('/api/v1/services/{name}', { params })), `${name} is being deleted`);
  const isStopped = state === 'stopped' || state === 'stopping';
  return (
    <>
      <Link href={`/services/new?name=${name}`} className="button">
        New revision
      </Link>
      <Button disabled={revisions.length < 2} busy={back.isPending} onClick={() => back.mutate()}>
        Roll back
      </Button>
      <Button busy={stop.isPending || start.isPending} onClick={() => (isStopped ? start : stop).mutate()}>
        {isStopped ? 'Start' : 'Stop'}
      </Button>
      <Confirm
        button="Delete"
        title={`Delete ${name}?`}
        text="Its VMs are shut down; its revisions, keys and values are deleted."
        action="Delete it"
        onConfirm={() => remove.mutate()}
      />
    </>
  );
}

function Traffic({ service, rates }: { service: ServiceView; rates: readonly Rate[] }) {
  const { stats, settings, vms } = service;
  const now = rates.at(-1);
  const text = now === undefined ? '' : `${now.requestsPerSecond.toFixed(1)} requests a second`;
  return (
    <Card title="Requests" actions={<span className="faint">{text}</span>}>
      <div className="figures">
        <Figure name="requests" value={String(stats.requests)} />
        <Figure name="failed" value={String(stats.failed)} isBad={stats.failed > 0} />
        <Figure name="in work" value={String(stats.inFlight)} />
        <Figure name="waiting" value={String(stats.waiting)} />
        <Figure name="mean time" value={stats.meanMs === null ? '–' : `${stats.meanMs.toFixed(1)} ms`} />
        <Figure name={`VMs, ${settings.min} to ${settings.max}`} value={`${vms.all} of ${vms.desired ?? 0}`} />
      </div>
      <Facts facts={[['Address', <code key="address">{addressText(service)}</code>]]} />
      {rates.length > 1 && (
        <LazyChart
          label={`Requests a second in the last minutes; now ${text}`}
          height={200}
          content={{
            curves: [
              { name: 'requests a second', unit: '/s', points: rates.map((one) => [one.atMs, one.requestsPerSecond]) },
              {
                name: 'failed a second',
                unit: '/s',
                look: 'dashed',
                points: rates.map((one) => [one.atMs, one.failedPerSecond]),
              },
            ],
          }}
        />
      )}
    </Card>
  );
}

function Revisions({ revisions, current }: { revisions: readonly RevisionView[]; current: number | null }) {
  const nowMs = useNow(10_000);
  return (
    <Card title="Revisions">
      <ol className="happenings">
        {revisions.map(({ number, state, message, createdAtMs, runtime, files, traceback }) => (
          <li key={number} className={state === 'failed' ? 'bad' : number === current ? 'good' : ''}>
            <span className="strong">{number}</span> <StateBadge state={state} />{' '}
            <span className="faint">
              {ago(createdAtMs, nowMs)} · {runtime} · {files.join(', ')}
            </span>
            {message !== '' && <div>{message}</div>}
            {traceback !== '' && (
              <details>
                <summary>Traceback</summary>
                <CodeBox text={traceback} />
              </details>
            )}
          </li>
        ))}
      </ol>
    </Card>
  );
}
