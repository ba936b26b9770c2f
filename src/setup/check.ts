import { findCommand, type Host, thisHost } from './host.ts';
import { type Check, type Requirement, requirementsOf } from './requirements.ts';
import { checkUser } from './user.ts';

/** Everything that this user needs on this machine. Looks only at files; takes a few milliseconds. */
export function checkSystem(
  requirements: readonly Requirement[] = requirementsOf('server'),
  host: Host = thisHost(),
): Check[] {
  return [...requirements.map((requirement) => checkRequirement(requirement, host)), ...checkUser(host)];
}

/** The command that installs packages, as a person would type it. */
export function installCommand(packages: readonly string[], host: Pick<Host, 'uid'>): string {
  const sudo = host.uid === 0 ? '' : 'sudo ';
  return `${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends ${packages.join(' ')}`;
}

function checkRequirement(requirement: Requirement, host: Host): Check {
  const { name, purpose, anyOf, also = [] } = requirement;
  const found = anyOf.map((wanted) => locate(wanted, host)).find((path) => path !== undefined);
  const missing =
    found === undefined ? [anyOf.join(' or ')] : also.filter((wanted) => locate(wanted, host) === undefined);
  if (found !== undefined && missing.length === 0)
    return { name, purpose, ok: true, detail: found, fix: '', packages: [] };
  const packages = requirement.packagesOn?.[host.distribution] ?? requirement.packages;
  const detail = missing.map((wanted) => `${wanted} is not there`).join(', ');
  return { name, purpose, ok: false, detail, fix: installCommand(packages, host), packages };
}

function locate(wanted: string, host: Host): string | undefined {
  if (!wanted.startsWith('/')) return findCommand(host, wanted);
  return host.exists(wanted) ? wanted : undefined;
}
