import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import type { LoadFigures, LoadView } from '../../protocol/loads.ts';
import type { ServiceView } from '../../protocol/services.ts';
import { answer, api } from '../api/client.ts';
import { LazyChart } from '../chart/lazy-chart.tsx';
import { useHistory } from '../live/use-history.ts';
import { duration } from '../text/format.ts';
import { Button } from '../ui/button.tsx';
import { Choice, Field } from '../ui/field.tsx';
import { Card, Figure } from '../ui/page.tsx';
import { Answer } from '../ui/states.tsx';
import { useAction } from '../ui/use-action.ts';
import { useNow } from '../ui/use-now.ts';

const askedEveryMs = 1_000;
/** As the load client has them: requests a second. */
const modes = [
  ['Low', 1],
  ['Mid', 5],
  ['High', 20],
] as const;
const minuteMs = 60_000;

/** Load for a service that the server makes, and how it is answered. */
export function ServiceLoad({ service, protocol }: { service: string; protocol: ServiceView['protocol'] }) {
  const params = { path: { name: service } };
  const query = useQuery({
    queryKey: ['load', service],
    queryFn: async () => (await answer(api.GET('/api/v1/services/{name}/load', { params }))).load,
    refetchInterval: askedEveryMs,
  });
  const stop = useAction(() => answer(api.DELETE('/api/v1/services/{name}/load', { params })), 'the load has ended');
  const isRunning = query.data?.state === 'running';
  return (
    <Card
      title="Load"
      actions={
        isRunning && (
          <>
            <span className="badge busy">{paceText(query.data?.everyMs ?? 0)}</span>
            <Button small busy={stop.isPending} onClick={() => stop.mutate()}>
              Stop the load
            </Button>
          </>
        )
      }
    >
      <Answer query={query} what="the load">
        {(load) => (
          <>
            <LoadForm service={service} protocol={protocol} last={load} />
            {load !== null && <LoadFiguresView load={load} atMs={query.dataUpdatedAt} />}
          </>
        )}
      </Answer>
    </Card>
  );
}

interface LoadFormProps {
  readonly service: string;
  readonly protocol: ServiceView['protocol'];
  /** What it begins with. */
  readonly last: LoadView | null;
}

function LoadForm({ service, protocol, last }: LoadFormProps) {
  const [seconds, setSeconds] = useState(String((last?.everyMs ?? 300) / 1_000));
  const [forMinutes, setForMinutes] = useState('10');
  const [path, setPath] = useState(last?.path ?? '/');
  const [payload, setPayload] = useState(last?.payload ?? '');
  const start = useAction((everyMs: number) => {
    const message = protocol === 'http' ? { path } : payload === '' ? {} : { payload };
    const body = { everyMs, forMs: Number(forMinutes) * minuteMs, ...message };
    return answer(api.PUT('/api/v1/services/{name}/load', { params: { path: { name: service } }, body }));
  }, '');
  return (
    <form
      className="filters"
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        start.mutate(Number(seconds) * 1_000);
      }}
    >
      {protocol === 'http' ? (
        <Field label="Path" value={path} required onChange={(event) => setPath(event.target.value)} />
      ) : (
        <Field
          label="What is sent"
          placeholder="by itself"
          value={payload}
          onChange={(event) => setPayload(event.target.value)}
        />
      )}
      <Choice label="For" value={forMinutes} onChange={(event) => setForMinutes(event.target.value)}>
        {[1, 10, 60].map((minutes) => (
          <option key={minutes} value={minutes}>
            {duration(minutes * minuteMs)}
          </option>
        ))}
      </Choice>
      <div className="row">
        {modes.map(([name, rate]) => (
          <Button
            key={name}
            busy={start.isPending}
            title={`${rate} requests a second`}
            onClick={() => start.mutate(1_000 / rate)}
          >
            {name}
          </Button>
        ))}
      </div>
      <Field
        label="Seconds between requests"
        type="number"
        min="0.005"
        max="86400"
        step="any"
        required
        value={seconds}
        onChange={(event) => setSeconds(event.target.value)}
      />
      <Button type="submit" busy={start.isPending}>
        Custom
      </Button>
    </form>
  );
}

function paceText(everyMs: number): string {
  return everyMs < 1_000 ? `${Number((1_000 / everyMs).toFixed(1))} a second` : `one each ${duration(everyMs)}`;
}

/** Milliseconds with what is worth telling of them. */
function ms(value: number | null): string {
  if (value === null) return '–';
  return value < 1_000 ? `${value.toFixed(value < 10 ? 1 : 0)} ms` : duration(value);
}

function perSecond({ seconds }: LoadFigures, count: number): string {
  return seconds < 0.1 ? '–' : (count / seconds).toFixed(1);
}

function LoadFiguresView({ load, atMs }: { load: LoadView; atMs: number }) {
  const nowMs = useNow();
  const isRunning = load.state === 'running';
  const history = useHistory(isRunning ? load.recent : undefined, atMs);
  const { total, recent } = load;
  const shown = isRunning && recent.ended > 0 ? recent : total;
  return (
    <>
      <div className="figures">
        <Figure name="answers a second" value={perSecond(shown, shown.ended)} />
        <Figure name="median time" value={ms(shown.p50Ms)} />
        <Figure name="99 of 100 within" value={ms(shown.p99Ms)} />
        <Figure name="requests" value={String(total.ended)} />
        <Figure name="failed" value={String(total.failed)} isBad={total.failed > 0} />
        <Figure name="under way" value={String(load.inFlight)} />
        <Figure
          name={isRunning ? 'left' : 'it ran'}
          value={duration(Math.max(0, isRunning ? load.endsAtMs - nowMs : load.endsAtMs - load.startedAtMs))}
        />
      </div>
      {history.length > 1 && (
        <LazyChart
          label={`Answers to the load in the last minutes; now ${perSecond(recent, recent.ended)} a second`}
          height={180}
          content={{
            curves: [
              { name: 'median time', unit: 'ms', points: history.map(([at, one]) => [at, one.p50Ms]) },
              {
                name: '99 of 100 within',
                unit: 'ms',
                look: 'dashed',
                points: history.map(([at, one]) => [at, one.p99Ms]),
              },
            ],
          }}
        />
      )}
      {total.vms.length > 0 && <VmFigures total={total} recent={recent} isRunning={isRunning} />}
    </>
  );
}

function VmFigures({ total, recent, isRunning }: { total: LoadFigures; recent: LoadFigures; isRunning: boolean }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reached by the keyboard
    <section className="table-box" tabIndex={0} aria-label="Answers by VM">
      <table className="table">
        <thead>
          <tr>
            <th>Answered by</th>
            <th className="number">A second</th>
            <th className="number">Requests</th>
            <th className="number">Failed</th>
            <th className="number">Median</th>
            <th className="number">99 of 100</th>
          </tr>
        </thead>
        <tbody>
          {total.vms.map(({ name, ended, failed, p50Ms, p99Ms }) => {
            const now = isRunning ? recent : total;
            const count = now.vms.find((one) => one.name === name)?.ended ?? 0;
            return (
              <tr key={name}>
                <td className="strong">{name}</td>
                <td className="number">{perSecond(now, count)}</td>
                <td className="number">{ended}</td>
                <td className="number">{failed}</td>
                <td className="number nowrap">{ms(p50Ms)}</td>
                <td className="number nowrap">{ms(p99Ms)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}
