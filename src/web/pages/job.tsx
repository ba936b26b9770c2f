import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import type { JobView } from '../../protocol/api.ts';
import { answer, api } from '../api/client.ts';
import { refreshMs } from '../api/queries.ts';
import { LogView } from '../log/log-view.tsx';
import { useJobLog } from '../log/use-job-log.ts';
import { bytes, dateTime, duration, many } from '../text/format.ts';
import { StateBadge } from '../ui/badge.tsx';
import { Card, Facts, Page } from '../ui/page.tsx';
import { Answer, Problem } from '../ui/states.tsx';
import { useNow } from '../ui/use-now.ts';
import { JobFiles } from './job-files.tsx';
import { TimeLine } from './job-time-line.tsx';
import { JobUsage } from './job-usage.tsx';
import { JobButton, place } from './jobs.tsx';
import { SyntaxProblem } from './syntax-problem.tsx';

/** One job: what it does, what it writes, how it ended. */
export default function JobPage({ id }: { id: string }) {
  const query = useQuery({
    queryKey: ['job', id],
    queryFn: () => answer(api.GET('/api/v1/jobs/{id}', { params: { path: { id } } })),
    refetchInterval: ({ state }) => (state.data?.ended === true ? false : refreshMs),
  });
  return (
    <Answer query={query} what="the job">
      {(job) => <Job job={job} />}
    </Answer>
  );
}

function Job({ job }: { job: JobView }) {
  return (
    <Page title={job.name} actions={<JobButton job={job} />}>
      <p className="lead">
        <StateBadge state={job.state} /> <span>{job.reason}</span>
        {job.waiting !== null && <span className="faint"> · {place(job.waiting.place)}</span>}
      </p>
      {job.syntaxProblem !== null && <SyntaxProblem problem={job.syntaxProblem} />}
      <TimeLine job={job} />
      <Output job={job} />
      {job.vm !== null && job.startedAtMs !== null && (
        <JobUsage vm={job.vm} startedAtMs={job.startedAtMs} endedAtMs={job.endedAtMs} />
      )}
      <div className="columns">
        <JobFiles job={job} />
        <Details job={job} />
      </div>
    </Page>
  );
}

function Output({ job }: { job: JobView }) {
  const log = useJobLog(job.id);
  const link = (stream: string): string => `/api/v1/jobs/${job.id}/output?stream=${stream}`;
  const isQuiet = log.buffer.lineCount === 0 && log.buffer.unfinished().length === 0;
  return (
    <Card
      title="Output"
      actions={
        <>
          {log.state === 'lost' && <span className="badge warn">connection lost, trying again</span>}
          {log.state === 'open' && !job.ended && <span className="badge busy">live</span>}
          <a className="button small" href={link('all')} download>
            Download
          </a>
        </>
      }
    >
      {log.error !== undefined && <Problem error={log.error} />}
      {isQuiet ? (
        <p className="faint">{job.ended ? 'It wrote nothing.' : 'Nothing was written yet.'}</p>
      ) : (
        <LogView buffer={log.buffer} version={log.version} label="the output" />
      )}
      {job.outputTruncated && <p className="note warn">It wrote more than its limit; the rest was left out.</p>}
    </Card>
  );
}

function Details({ job }: { job: JobView }) {
  const nowMs = useNow();
  const { limits } = job;
  const endMs = job.endedAtMs ?? nowMs;
  const ran = job.wallMs ?? (job.startedAtMs === null ? null : endMs - job.startedAtMs);
  const labels = Object.entries(job.labels).map(([key, value]) => `${key}=${value}`);
  return (
    <Card title="Details">
      <Facts
        facts={[
          ['Number', <code key="id">{job.id}</code>],
          [
            'Owner',
            <Link key="owner" href={`/job-status/${job.owner}`}>
              {job.owner}
            </Link>,
          ],
          ['Runtime', job.runtime],
          ['Runs', [job.entrypoint, ...job.args].join(' ')],
          ['Data', job.inputBytes.data === 0 ? 'none' : bytes(job.inputBytes.data)],
          ['Machine', job.vm ?? 'none yet'],
          ['Attempt', String(job.attempt)],
          ['Submitted', dateTime(job.createdAtMs)],
          ['Ran', ran === null ? 'not yet' : `${duration(ran)} of ${duration(limits.timeoutMs)}`],
          ['CPU time', job.cpuMs === null ? '–' : `${duration(job.cpuMs)}, ${many(limits.cpus, 'CPU')} at most`],
          [
            'Memory',
            job.peakMemoryBytes === null
              ? `${bytes(limits.memoryBytes)} at most`
              : `${bytes(job.peakMemoryBytes)} of ${bytes(limits.memoryBytes)}`,
          ],
          ['Exit code', job.exitCode === null ? '–' : String(job.exitCode)],
          ...(job.limitsHit.length === 0 ? [] : [['Limits that it met', job.limitsHit.join(', ')] as const]),
          ...(labels.length === 0 ? [] : [['Labels', labels.join(', ')] as const]),
        ]}
      />
    </Card>
  );
}
