import { shareOf, type UserQueue } from './fairness.ts';

/** A job of middling size, of which all queues are taken to consist. */
const typical = { cpus: 1, memoryBytes: 0 };

/**
 * How many jobs of all queues would be started before this one, if every queued job were alike and nobody submitted any
 * more: users take turns by their shares, as in a schedule. Pure.
 * @param ahead jobs before it in its own user's queue
 */
export function placeInQueue(user: string, ahead: number, queues: readonly UserQueue[]): number {
  const own = queues.find(({ name }) => name === user);
  if (own === undefined) return ahead;
  const turnOf = own.share + ahead * shareOf(typical, own.rules);
  let before = ahead;
  for (const other of queues) {
    if (other === own) continue;
    const turns = (turnOf - other.share) / shareOf(typical, other.rules);
    // At equal shares the name decides.
    const served = other.name < user ? Math.floor(turns) + 1 : Math.ceil(turns);
    before += Math.min(other.queued, Math.max(0, served));
  }
  return before;
}
