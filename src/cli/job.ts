import { TidepoolError } from '../domain/errors.ts';
import type { AttemptView, JobView } from '../protocol/api.ts';
import { downloadArchive, downloadFiles } from './download.ts';
import type { JobClient } from './job-client.ts';
import { formatTable } from './table.ts';
import { formatDuration, formatSize } from './units.ts';

interface Format {
  readonly json?: boolean;
}

export interface ListOptions extends Format {
  readonly state?: string;
  readonly owner?: string;
  readonly limit: string;
  readonly cursor?: string;
  readonly all?: boolean;
}

/** `tidepool job list`. @param onMore told how to go on when there are more */
export async function jobList(
  client: JobClient,
  { state, owner, limit, cursor, all, json }: ListOptions,
  onMore: (text: string) => void,
): Promise<string> {
  const jobs: JobView[] = [];
  let next = cursor;
  do {
    const page = await client.list({
      limit,
      ...(state === undefined ? {} : { state }),
      ...(owner === undefined ? {} : { owner }),
      ...(next === undefined ? {} : { cursor: next }),
    });
    jobs.push(...page.jobs);
    next = page.nextCursor ?? undefined;
  } while (all && next !== undefined);
  if (next !== undefined) onMore(`there are more: --cursor ${next}`);
  if (json) return JSON.stringify(jobs, null, 2);
  if (jobs.length === 0) return 'no jobs';
  const rows = jobs.map((job) => [job.id, job.name, job.state, job.vm ?? '-', took(job), why(job)]);
  return formatTable([['ID', 'NAME', 'STATE', 'VM', 'TIME', 'WHY'], ...rows]);
}

/** `tidepool job show`. */
export async function jobShow(client: JobClient, id: string, options: Format): Promise<string> {
  const [job, files, attempts] = await Promise.all([client.job(id), client.files(id), client.attempts(id)]);
  if (options.json) return JSON.stringify({ ...job, files, attempts }, null, 2);
  const rows: string[][] = [
    ['id', job.id],
    ['name', job.name],
    ['owner', job.owner],
    ['state', `${job.state}: ${job.reason}`],
    ['runtime', job.runtime],
    ['command', commandOf(job)],
    ['input', inputs(job)],
    ['worker', job.vm ?? '-'],
    ['attempt', String(job.attempt)],
    ['time', took(job)],
    [
      'limits',
      `${job.limits.cpus} ${job.limits.cpus === 1 ? 'CPU' : 'CPUs'}, ${formatSize(job.limits.memoryBytes)}, ${formatDuration(job.limits.timeoutMs)}`,
    ],
    ...evidence(job),
  ];
  if (attempts.length > 1) for (const attempt of attempts) rows.push(['attempt', attemptLine(attempt)]);
  for (const file of files) rows.push(['file', `${file.path} (${formatSize(file.sizeBytes)})`]);
  return formatTable(rows);
}

function why({ reason, waiting }: JobView): string {
  return waiting === null ? reason : `${reason} (${placeOf(waiting.place)})`;
}

function placeOf(before: number): string {
  return before === 0 ? 'next' : `${before} before it`;
}

function evidence(job: JobView): string[][] {
  const rows: string[][] = [];
  if (job.waiting !== null) rows.push(['queue', placeOf(job.waiting.place)]);
  if (job.priority !== 0) rows.push(['priority', String(job.priority)]);
  for (const [key, value] of Object.entries(job.labels)) rows.push(['label', `${key}=${value}`]);
  if (job.exitCode !== null) rows.push(['exit code', String(job.exitCode)]);
  if (job.signal !== null) rows.push(['signal', String(job.signal)]);
  if (job.peakMemoryBytes !== null) rows.push(['peak memory', formatSize(job.peakMemoryBytes)]);
  if (job.cpuMs !== null) rows.push(['CPU time', formatDuration(job.cpuMs)]);
  if (job.limitsHit.length > 0) rows.push(['limits hit', job.limitsHit.join(', ')]);
  if (job.outputTruncated) rows.push(['output', 'was longer than its limit; the rest was dropped']);
  return rows;
}

function inputs({ source, inputBytes: { script, data, requirements } }: JobView): string {
  const parts = [`${source} ${formatSize(script)}`];
  if (data > 0) parts.push(`dataset ${formatSize(data)}`);
  if (requirements > 0) parts.push(`requirements ${formatSize(requirements)}`);
  return parts.join(', ');
}

function attemptLine({ number, vm, outcome }: AttemptView): string {
  return `${number} on ${vm}: ${outcome ?? 'goes on'}`;
}

/** `tidepool job cancel`. */
export async function jobCancel(client: JobClient, id: string, options: Format): Promise<string> {
  const job = await client.cancel(id);
  return options.json ? JSON.stringify(job, null, 2) : `${job.id}: ${job.state}, ${job.reason}`;
}

export interface CancelOptions extends Format {
  readonly state?: string;
  readonly label?: readonly string[];
}

/** `tidepool job cancel` of many: all of one's own, or those that fit all options. */
export async function jobCancelMany(client: JobClient, options: CancelOptions): Promise<string> {
  const { state, label = [] } = options;
  const done = await client.cancelMany({
    ...(state === undefined ? {} : { states: [state as 'queued'] }),
    ...(label.length === 0 ? {} : { labels: parseLabels(label) }),
  });
  if (options.json) return JSON.stringify(done, null, 2);
  return `${done.cancelled} cancelled, ${done.stopping} being ended by their workers`;
}

/** `tidepool job rerun`: the new job's id. */
export async function jobRerun(client: JobClient, id: string, format: Format): Promise<string> {
  const job = await client.rerun(id);
  return format.json ? JSON.stringify(job, null, 2) : job.id;
}

/** `tidepool job delete`: each in turn; ends at the first that cannot be. */
export async function jobDelete(client: JobClient, ids: readonly string[], format: Format): Promise<string> {
  for (const id of ids) await client.delete(id);
  if (format.json) return JSON.stringify({ deleted: ids }, null, 2);
  return ids.map((id) => `${id}: deleted`).join('\n');
}

/** `tidepool job files`. */
export async function jobFiles(client: JobClient, id: string, format: Format): Promise<string> {
  const files = await client.files(id);
  if (format.json) return JSON.stringify(files, null, 2);
  if (files.length === 0) return 'no files';
  return formatTable([['FILE', 'SIZE'], ...files.map(({ path, sizeBytes }) => [path, formatSize(sizeBytes)])]);
}

export interface DownloadOptions extends Format {
  readonly out?: string;
  readonly zip?: string;
}

/** `tidepool job download`: files into a folder, or all as one ZIP file. Error: `invalid`. */
export async function jobDownload(
  client: JobClient,
  id: string,
  wanted: readonly string[],
  { out, zip, json }: DownloadOptions,
): Promise<string> {
  if (zip !== undefined) {
    if (out !== undefined || wanted.length > 0)
      throw new TidepoolError('invalid', '--zip takes all files; leave --out and their names out');
    await downloadArchive(client, id, zip);
    return json ? JSON.stringify({ zip }, null, 2) : zip;
  }
  const folder = out ?? id;
  const files = await downloadFiles(client, id, folder, wanted);
  return json ? JSON.stringify({ folder, files }, null, 2) : `${files.length} files in ${folder}`;
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

function commandOf({ source, runtime, entrypoint, args }: JobView): string {
  if (source === 'image') return args.length > 0 ? args.join(' ') : `as the image of ${runtime} says`;
  return ['python3', entrypoint, ...args].join(' ');
}

function took(job: JobView): string {
  return job.wallMs === null ? '-' : formatDuration(job.wallMs);
}
