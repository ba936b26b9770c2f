import { type WorkerView, workerListSchema } from '../protocol/api.ts';
import type { ApiClient } from './client.ts';
import { formatTable } from './table.ts';
import { formatSize } from './units.ts';

/** `tidepool worker list`. */
export async function workerList(client: ApiClient, options: { readonly json?: boolean }): Promise<string> {
  const { workers } = await client.json('GET', '/workers', workerListSchema);
  if (options.json) return JSON.stringify(workers, null, 2);
  if (workers.length === 0) return 'no workers have joined';
  const rows = workers.map((worker) => [
    worker.name,
    worker.state,
    worker.connected ? 'connected' : 'away',
    sizeOf(worker),
    worker.runtimes.join(' '),
    String(worker.jobs.length),
    worker.reason,
  ]);
  return formatTable([['WORKER', 'STATE', 'LINK', 'SIZE', 'RUNTIMES', 'JOBS', 'WHY'], ...rows]);
}

/** `tidepool worker remove NAME`. */
export async function workerRemove(
  client: ApiClient,
  name: string,
  options: { readonly now?: boolean },
): Promise<string> {
  const query = options.now === true ? '?now=true' : '';
  await client.request('DELETE', `/workers/${encodeURIComponent(name)}${query}`);
  return options.now === true
    ? `${name} is dismissed`
    : `${name} takes no more jobs, and is dismissed when it has none`;
}

function sizeOf({ capacity }: WorkerView): string {
  return capacity === null ? '-' : `${capacity.cpus} CPUs, ${formatSize(capacity.memoryBytes)}`;
}
