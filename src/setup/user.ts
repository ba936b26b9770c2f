import type { Host } from './host.ts';
import type { Check } from './requirements.ts';

/** What an ordinary user needs to build images without root: ranges of user ids, and user namespaces. */
export function checkUser(host: Host): Check[] {
  if (host.uid === 0) return [];
  return [checkRange('/etc/subuid', host), checkRange('/etc/subgid', host), checkNamespaces(host)];
}

/** Fewer ids than this do not hold a Debian system's users (nobody is 65534). */
const neededIds = 65_536;
/** Where Debian's adduser starts to hand them out. */
const firstId = 100_000;

function checkRange(file: string, host: Host): Check {
  const base = { name: file, purpose: 'gives the user ids to build images with', packages: [] };
  const ranges = (host.read(file) ?? '')
    .split('\n')
    .map((line) => line.split(':'))
    .map(([owner, first, count]) => ({ owner, first: Number(first), count: Number(count) }))
    .filter(({ first, count }) => Number.isSafeInteger(first) && Number.isSafeInteger(count));
  const own = ranges.filter(({ owner }) => owner === host.userName || owner === String(host.uid));
  const ids = Math.max(0, ...own.map(({ count }) => count));
  if (ids >= neededIds) return { ...base, ok: true, detail: `${ids} ids for ${host.userName}`, fix: '' };
  const free = Math.max(firstId, ...ranges.map(({ first, count }) => first + count));
  const option = file.endsWith('subuid') ? '--add-subuids' : '--add-subgids';
  return {
    ...base,
    ok: false,
    detail: `${ids} ids for ${host.userName}, and ${neededIds} are needed`,
    fix: `sudo usermod ${option} ${free}-${free + neededIds - 1} ${host.userName}`,
  };
}

function checkNamespaces(host: Host): Check {
  const base = { name: 'user namespaces', purpose: 'let an ordinary user build images', packages: [] };
  if (host.read('/proc/sys/kernel/unprivileged_userns_clone')?.trim() === '0') {
    return { ...base, ok: false, detail: 'switched off', fix: 'sudo sysctl -w kernel.unprivileged_userns_clone=1' };
  }
  // Ubuntu 24.04 allows them only to programs that have a profile, and ships one for mmdebstrap.
  const restricted = host.read('/proc/sys/kernel/apparmor_restrict_unprivileged_userns')?.trim() === '1';
  if (restricted && !host.exists('/etc/apparmor.d/mmdebstrap')) {
    return {
      ...base,
      ok: false,
      detail: 'AppArmor refuses them, and has no profile for mmdebstrap',
      fix: 'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
    };
  }
  return { ...base, ok: true, detail: 'allowed', fix: '' };
}
