import type { JobView } from '../protocol/api.ts';
import type { ApiClient } from './client.ts';
import { formatTable } from './table.ts';
import { formatDuration, formatSize } from './units.ts';

/** `tidepool job list`. */
export async function jobList(
  client: ApiClient,
  options: { state?: string; limit: string; json?: boolean },
): Promise<string> {
  const { state, limit } = options;
  const page = await client.jobs({ limit, ...(state === undefined ? {} : { state }) });
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
  if (job.queuePosition !== null) rows.push(['queue', `${job.queuePosition} before it`]);
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

function took(job: JobView): string {
  return job.wallMs === null ? '-' : formatDuration(job.wallMs);
}
