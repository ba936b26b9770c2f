import { TidepoolError } from '../domain/errors.ts';
import type { JobView } from '../protocol/api.ts';
import type { ApiClient } from './client.ts';
import { formatTable } from './table.ts';
import { formatDuration, formatSize } from './units.ts';

/** `tidepool job list`. */
export async function jobList(
  client: ApiClient,
  options: { state?: string; owner?: string; limit: string; json?: boolean },
): Promise<string> {
  const { state, owner, limit } = options;
  const page = await client.jobs({
    limit,
    ...(state === undefined ? {} : { state }),
    ...(owner === undefined ? {} : { owner }),
  });
  if (options.json) return JSON.stringify(page.jobs, null, 2);
  if (page.jobs.length === 0) return 'no jobs';
  const rows = page.jobs.map((job) => [job.id, job.name, job.state, job.vm ?? '-', took(job), job.reason]);
  return formatTable([['ID', 'NAME', 'STATE', 'VM', 'TIME', 'WHY'], ...rows]);
}

/** `tidepool job show`. */
export async function jobShow(client: ApiClient, id: string, options: { json?: boolean }): Promise<string> {
  const job = await client.job(id);
  const files = await client.files(id);
  if (options.json) return JSON.stringify({ ...job, files }, null, 2);
  const rows: string[][] = [
    ['id', job.id],
    ['name', job.name],
    ['state', `${job.state}: ${job.reason}`],
    ['runtime', job.runtime],
    ['command', ['python3', job.entrypoint, ...job.args].join(' ')],
    ['worker', job.vm ?? '-'],
    ['attempt', String(job.attempt)],
    ['time', took(job)],
    [
      'limits',
      `${job.limits.cpus} CPUs, ${formatSize(job.limits.memoryBytes)}, ${formatDuration(job.limits.timeoutMs)}`,
    ],
  ];
  if (job.waiting !== null) rows.push(['queue', `${job.waiting.place} before it`]);
  if (job.priority !== 0) rows.push(['priority', String(job.priority)]);
  for (const [key, value] of Object.entries(job.labels)) rows.push(['label', `${key}=${value}`]);
  if (job.exitCode !== null) rows.push(['exit code', String(job.exitCode)]);
  if (job.signal !== null) rows.push(['signal', String(job.signal)]);
  if (job.peakMemoryBytes !== null) rows.push(['peak memory', formatSize(job.peakMemoryBytes)]);
  if (job.cpuMs !== null) rows.push(['CPU time', formatDuration(job.cpuMs)]);
  if (job.limitsHit.length > 0) rows.push(['limits hit', job.limitsHit.join(', ')]);
  for (const file of files) rows.push(['file', `${file.path} (${formatSize(file.sizeBytes)})`]);
  return formatTable(rows);
}

/** `tidepool job cancel`. */
export async function jobCancel(client: ApiClient, id: string, options: { json?: boolean }): Promise<string> {
  const job = await client.cancel(id);
  return options.json ? JSON.stringify(job, null, 2) : `${job.id}: ${job.state}, ${job.reason}`;
}

export interface CancelOptions {
  readonly state?: string;
  readonly label?: readonly string[];
  readonly json?: boolean;
}

/** `tidepool job cancel` of many: all of one's own, or those that fit all options. */
export async function jobCancelMany(client: ApiClient, options: CancelOptions): Promise<string> {
  const { state, label = [] } = options;
  const done = await client.cancelMany({
    ...(state === undefined ? {} : { states: [state as 'queued'] }),
    ...(label.length === 0 ? {} : { labels: parseLabels(label) }),
  });
  if (options.json) return JSON.stringify(done, null, 2);
  return `${done.cancelled} cancelled, ${done.stopping} being ended by their workers`;
}

/** `KEY=VALUE` each. Error: `invalid`. */
export function parseLabels(pairs: readonly string[]): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    if (equals < 1) throw new TidepoolError('invalid', `--label ${pair} is not of the form KEY=VALUE`);
    labels[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return labels;
}

function took(job: JobView): string {
  return job.wallMs === null ? '-' : formatDuration(job.wallMs);
}
