const looks: Readonly<Record<string, string>> = {
  succeeded: 'good',
  up: 'good',
  ready: 'good',
  serving: 'good',
  current: 'good',
  running: 'busy',
  starting: 'busy',
  rolling: 'busy',
  creating: 'busy',
  booting: 'busy',
  building: 'busy',
  draining: 'warn',
  away: 'warn',
  stopping: 'warn',
  deleting: 'warn',
  timed_out: 'bad',
  out_of_memory: 'bad',
  failed: 'bad',
  failing: 'bad',
  rejected: 'bad',
  lost: 'bad',
  dead: 'bad',
  down: 'bad',
};

/** A state of a job, VM, service or revision; the word tells it, the colour helps. */
export function StateBadge({ state }: { state: string }) {
  return <span className={`badge ${looks[state] ?? 'still'}`}>{state.replaceAll('_', ' ')}</span>;
}
