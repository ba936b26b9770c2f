import { useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import type { EndpointView, ServiceView } from '../../protocol/services.ts';
import { answer, api } from '../api/client.ts';
import { refreshMs } from '../api/queries.ts';
import { followStream, type StreamState } from '../live/stream.ts';
import { LogBuffer } from '../log/log-buffer.ts';
import { LogView } from '../log/log-view.tsx';
import { Card } from '../ui/page.tsx';
import { Answer, Problem } from '../ui/states.tsx';

const shownLines = 500;

/** Where each VM of a service answers, as it changes, and what it does. @param rates requests a second by VM */
export function ServiceEndpoints({
  service,
  stats,
  rates,
}: {
  service: string;
  stats: ServiceView['stats']['vms'];
  rates: ReadonlyMap<string, number> | undefined;
}) {
  const [endpoints, setEndpoints] = useState<readonly EndpointView[]>();
  const [state, setState] = useState<StreamState>('connecting');
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    const gone = new AbortController();
    followStream({
      url: `/api/v1/services/${encodeURIComponent(service)}/endpoints`,
      signal: gone.signal,
      onState: setState,
      onEvent({ event, data }) {
        const told: unknown = JSON.parse(data);
        if (event === 'endpoints') setEndpoints(told as EndpointView[]);
        const one = told as EndpointView;
        if (event === 'added') setEndpoints((old = []) => [...old, one]);
        if (event === 'removed')
          setEndpoints((old = []) => old.filter(({ host, port }) => host !== one.host || port !== one.port));
        return false;
      },
    }).catch((problem: unknown) => {
      if (!gone.signal.aborted) setError(problem);
    });
    return () => gone.abort();
  }, [service]);
  return (
    <Card
      title="Endpoints"
      actions={state === 'lost' && <span className="badge warn">connection lost, trying again</span>}
    >
      {error !== undefined && <Problem error={error} />}
      {endpoints?.length === 0 && <p className="faint">No VM answers at present.</p>}
      <ul className="files">
        {endpoints?.map(({ vm, host, port }) => (
          <li key={`${host} ${port}`}>
            <span className="path">{vm}</span>
            <span className="faint">
              <VmRate stat={stats.find((one) => one.vm === vm)} rate={rates?.get(vm)} />
            </span>
            <code>
              {host}:{port}
            </code>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function VmRate({ stat, rate }: { stat: ServiceView['stats']['vms'][number] | undefined; rate: number | undefined }) {
  const parts = [
    ...(rate === undefined ? [] : [`${rate.toFixed(1)} a second`]),
    ...(stat?.meanMs == null ? [] : [`${stat.meanMs.toFixed(0)} ms`]),
  ];
  return parts.join(' · ');
}

/** The newest lines that a service has written, from all VMs. */
export function ServiceOutput({ service }: { service: string }) {
  const query = useQuery({
    queryKey: ['service-output', service],
    refetchInterval: refreshMs,
    queryFn: async () => {
      const params = { path: { name: service }, query: { tail: shownLines } };
      return (await answer(api.GET('/api/v1/services/{name}/logs', { params }))).lines;
    },
  });
  const { data: lines } = query;
  const buffer = useMemo(() => {
    const made = new LogBuffer();
    const encoder = new TextEncoder();
    for (const { vm, stream, text } of lines ?? []) made.push(stream, encoder.encode(`${vm}  ${text}\n`));
    return made;
  }, [lines]);
  return (
    <Card title="Output">
      <Answer query={query} what="output">
        {(shown) =>
          shown.length === 0 ? (
            <p className="faint">Nothing was written.</p>
          ) : (
            <LogView buffer={buffer} version={query.dataUpdatedAt} label={`the output of ${service}`} />
          )
        }
      </Answer>
    </Card>
  );
}
