import { useQuery } from '@tanstack/react-query';
import type { JobView } from '../../protocol/api.ts';
import { answer, api } from '../api/client.ts';
import { duration, timeOfDay } from '../text/format.ts';
import { useNow } from '../ui/use-now.ts';

interface Step {
  readonly what: string;
  readonly atMs: number;
  readonly look: string;
}

/** The states that a job has been in, in their order, with how long each lasted. */
export function TimeLine({ job }: { job: JobView }) {
  const nowMs = useNow();
  const { data: attempts = [] } = useQuery({
    queryKey: ['attempts', job.id, job.attempt, job.state],
    queryFn: async () => {
      const params = { path: { id: job.id } };
      return (await answer(api.GET('/api/v1/jobs/{id}/attempts', { params }))).attempts;
    },
  });
  const steps: Step[] = [
    { what: 'queued', atMs: job.createdAtMs, look: 'still' },
    ...attempts.map(({ number, vm, assignedAtMs, outcome }) => ({
      what: `sent to ${vm}${number > 1 ? `, attempt ${number}` : ''}${outcome === 'requeued' ? ': the machine was lost' : ''}`,
      atMs: assignedAtMs,
      look: outcome === 'requeued' ? 'warn' : 'busy',
    })),
    ...(job.startedAtMs === null ? [] : [{ what: 'running', atMs: job.startedAtMs, look: 'busy' }]),
    ...(job.endedAtMs === null
      ? []
      : [
          {
            what: job.state.replaceAll('_', ' '),
            atMs: job.endedAtMs,
            look: job.state === 'succeeded' ? 'good' : job.state === 'cancelled' ? 'still' : 'bad',
          },
        ]),
  ];
  return (
    <ol className="time-line" aria-label="What has happened to it">
      {steps.map(({ what, atMs, look }, i) => {
        const until = steps[i + 1]?.atMs ?? (job.ended ? undefined : nowMs);
        return (
          <li key={`${what} ${atMs}`} className={look}>
            <span className="strong">{what}</span>
            <span className="faint">
              {timeOfDay(atMs)}
              {until === undefined ? '' : ` · ${duration(Math.max(0, until - atMs))}`}
            </span>
          </li>
        );
      })}
    </ol>
  );
}
