import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import type { WhoView } from '../../protocol/account.ts';
import type { JobView } from '../../protocol/api.ts';
import { answer, api } from '../api/client.ts';
import { refreshMs } from '../api/queries.ts';
import { ago, duration } from '../text/format.ts';
import { StateBadge } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { Choice, Field } from '../ui/field.tsx';
import { Page } from '../ui/page.tsx';
import { Empty, Loading, Problem } from '../ui/states.tsx';
import { ActionsHead, Table } from '../ui/table.tsx';
import { useAction } from '../ui/use-action.ts';
import { useNow } from '../ui/use-now.ts';

const states = [
  ...(['queued', 'starting', 'running', 'succeeded', 'failed', 'rejected'] as const),
  ...(['timed_out', 'out_of_memory', 'cancelled', 'lost'] as const),
];
const pageSize = 50;

/** Jobs, newest first. @param owner only this user's; else one's own, for administrators everybody's */
export function JobsPage({ who, owner }: { who: WhoView; owner?: string }) {
  const [state, setState] = useState<JobView['state'] | ''>('');
  const [text, setText] = useState('');
  const isAdmin = who.role === 'admin';
  const query = useInfiniteQuery({
    queryKey: ['jobs', owner, state],
    initialPageParam: undefined as string | undefined,
    refetchInterval: refreshMs,
    queryFn: ({ pageParam: cursor }) =>
      answer(
        api.GET('/api/v1/jobs', {
          params: { query: { limit: pageSize, cursor, owner, state: state === '' ? undefined : state } },
        }),
      ),
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
  });
  const all = query.data?.pages.flatMap(({ jobs }) => jobs);
  const needle = text.trim().toLowerCase();
  const jobs = all?.filter((job) => `${job.id} ${job.name} ${job.owner} ${job.reason}`.toLowerCase().includes(needle));
  const title = owner === undefined ? (isAdmin ? 'Jobs' : 'My jobs') : `Jobs of ${owner}`;
  return (
    <Page title={title}>
      <div className="filters">
        <Choice label="State" value={state} onChange={(event) => setState(event.target.value as typeof state)}>
          <option value="">all</option>
          {states.map((one) => (
            <option key={one} value={one}>
              {one.replaceAll('_', ' ')}
            </option>
          ))}
        </Choice>
        <Field
          label="Find"
          type="search"
          placeholder="name, number, reason"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        {isAdmin && (
          <Link className="filter-link" href={owner === undefined ? `/job-status/${who.name}` : '/'}>
            {owner === undefined ? 'only my own' : "everybody's"}
          </Link>
        )}
      </div>
      {jobs === undefined ? (
        query.error === null ? (
          <Loading what="jobs" />
        ) : (
          <Problem error={query.error} retry={query.refetch} />
        )
      ) : jobs.length === 0 ? (
        <NoJobs isFiltered={state !== '' || needle !== ''} />
      ) : (
        <JobTable jobs={jobs} showsOwner={isAdmin && owner === undefined} />
      )}
      {query.hasNextPage && (
        <p>
          <Button busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
            Older jobs
          </Button>
        </p>
      )}
    </Page>
  );
}

function NoJobs({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) return <Empty title="No job is like that" />;
  return (
    <Empty title="No jobs yet">
      <p>
        A job is a Python script, and perhaps data. It runs once on a virtual machine; its output and files stay here.
      </p>
      <Link href="/submit" className="button primary">
        Submit the first one
      </Link>
    </Empty>
  );
}

function JobTable({ jobs, showsOwner }: { jobs: readonly JobView[]; showsOwner: boolean }) {
  const nowMs = useNow();
  return (
    <Table
      head={
        <>
          <th>State</th>
          <th>Job</th>
          {showsOwner && <th>Owner</th>}
          <th>Why, or how it ended</th>
          <th>Submitted</th>
          <th>Took</th>
          <ActionsHead />
        </>
      }
    >
      {jobs.map((job) => (
        <JobRow key={job.id} job={job} showsOwner={showsOwner} nowMs={nowMs} />
      ))}
    </Table>
  );
}

function JobRow({ job, showsOwner, nowMs }: { job: JobView; showsOwner: boolean; nowMs: number }) {
  const tookMs = job.startedAtMs === null ? undefined : (job.endedAtMs ?? nowMs) - job.startedAtMs;
  return (
    <tr>
      <td>
        <StateBadge state={job.state} />
      </td>
      <td>
        <Link href={`/jobs/${job.id}`} className="strong">
          {job.name}
        </Link>
        <div className="faint mono">{job.id}</div>
      </td>
      {showsOwner && (
        <td>
          <Link href={`/job-status/${job.owner}`}>{job.owner}</Link>
        </td>
      )}
      <td className="reason">
        {job.reason}
        {job.waiting !== null && <div className="faint">{place(job.waiting.place)}</div>}
      </td>
      <td className="nowrap">{ago(job.createdAtMs, nowMs)}</td>
      <td className="nowrap">{tookMs === undefined ? '' : duration(tookMs)}</td>
      <td className="actions">
        <JobButton job={job} small />
      </td>
    </tr>
  );
}

/** Where it stands in the queue. Pure. */
export function place(before: number): string {
  return before === 0 ? 'next in the queue' : `${before} before it in the queue`;
}

/** Cancels a job that goes on; runs one that has ended again. */
export function JobButton({ job, small = false }: { job: JobView; small?: boolean }) {
  const [, go] = useLocation();
  const params = { path: { id: job.id } };
  const cancel = useAction(() => answer(api.POST('/api/v1/jobs/{id}/cancel', { params })), `${job.name} is cancelled`);
  const again = useAction(async () => {
    const { id } = await answer(api.POST('/api/v1/jobs/{id}/rerun', { params }));
    go(`/jobs/${id}`);
  }, `${job.name} is queued again`);
  const [text, action] = job.ended ? ['Run again', again] : ['Cancel', cancel];
  return (
    <Button
      small={small}
      busy={action.isPending}
      onClick={() => action.mutate()}
      aria-label={small ? `${text}: ${job.name}` : undefined}
    >
      {text}
    </Button>
  );
}
