import type { Need, SystemRequirement } from '../../src/setup/requirements.ts';
import { systemNames } from './programs.ts';
import { shellPrograms } from './shell.ts';
import type { Source } from './source.ts';

/** Whose rows a file may use, by the beginning of its path; the first that fits counts. */
const users: readonly (readonly [start: RegExp, needs: readonly Need[]])[] = [
  [/^(src|bench)\/.*\.test\.ts$|^test\/(runner|tidy|sim|api|accounts|services|web)\//, ['check']],
  [/^(scripts\/|tidepool|\.ci\/)/, ['start']],
  [/^src\/(agent|worker)\//, ['worker']],
  [/^src\//, ['server', 'worker', 'dockerfile', 'pip']],
  [/^test\//, ['server', 'test']],
  [/^bench\//, ['server', 'bench']],
];
/** Our own launchers, and names of tests for what is not there. */
const ours = /^(\.\/)?tidepool$|^no-such-|(^|\/)bin\/node$/;
/** Programs that no row brings, because they run elsewhere or stand for others. */
const exceptions: Readonly<Record<string, { readonly names: readonly string[]; readonly why: string }>> = {
  'src/agent/service/network.ts': { names: ['ip', 'ifconfig', 'route'], why: "commands of the guest's busybox" },
  'test/bare/root.ts': {
    names: ['/usr/local/share/ca-certificates', '/usr/etc/npmrc'],
    why: 'settings that are carried over where they are there',
  },
  'src/cmd/service-unit.test.ts': {
    names: ['systemd-analyze'],
    why: 'it comes with systemd, and its tests are skipped, with the reason, where it is not',
  },
  'bench/jobs/postgres.ts': {
    names: ['initdb', 'postgres', 'psql'],
    why: 'in the folder of PostgreSQL, which is a row',
  },
};
/** Calls whose program is not in the source as a text, with the names that it may have. */
const byHand: Readonly<Record<string, readonly string[]>> = {
  'src/libvirt/session-daemon.ts': ['virtqemud', 'libvirtd'],
  'src/setup/exec.ts': [],
  'src/image/command.ts': [],
};
/** Tests that make a machine up: their paths are of that machine. */
const madeUp = /^(src\/(setup|cmd|image)\/[a-z-]+|test\/tidy\/system)\.test\.ts$/;

/** Programs and files that a source uses and that no row of the table brings to whoever uses them. */
export function checkSystemNames(source: Source, table: readonly SystemRequirement[]): string[] {
  // The tables themselves.
  if (['src/setup/requirements.ts', 'test/tidy/system.ts'].includes(source.path)) return [];
  const { names, unread } = systemNames(source);
  const given = byHand[source.path];
  const problems =
    given === undefined
      ? unread.map((line) => `${source.path}:${line}: the program that this starts cannot be read`)
      : [];
  const all = [...names, ...(given ?? []).map((name) => ({ name, line: 1 }))];
  return [
    ...problems,
    ...all
      .filter(({ name }) => !(name.startsWith('/') && madeUp.test(source.path)))
      .flatMap(({ name, line }) => nameProblem(source.path, line, name, table)),
  ];
}

/** The same for a shell script; `functions` are those of scripts that it reads in. */
export function checkShellScript(
  { path, text }: { readonly path: string; readonly text: string },
  table: readonly SystemRequirement[],
  functions: readonly string[] = [],
): string[] {
  return shellPrograms(text)
    .filter((name) => !functions.includes(name))
    .flatMap((name) => nameProblem(path, 1, name, table));
}

function nameProblem(path: string, line: number, name: string, table: readonly SystemRequirement[]): string[] {
  if (ours.test(name) || exceptions[path]?.names.includes(name) === true) return [];
  const rows = table.filter(({ anyOf, also = [] }) => [...anyOf, ...also].some((there) => brings(there, name)));
  const needs = users.find(([start]) => start.test(path))?.[1] ?? [];
  const isProduct = /^(src|scripts)\//.test(path) && !path.endsWith('.test.ts');
  if (
    rows.some(({ neededBy }) => neededBy.some((need) => needs.includes(need)) || (isProduct && neededBy.length === 0))
  )
    return [];
  const what = rows.length === 0 ? 'is in no row of' : `is in no row for ${needs.join(' or ')} of`;
  return [`${path}:${line}: ${name} ${what} src/setup/requirements.ts`];
}

/** Whether what a row has is what the code names: a command by any path, a file, or a file in a folder. */
function brings(there: string, name: string): boolean {
  if (there.startsWith('/')) return name === there || name.startsWith(`${there}/`);
  return name === there || (/^\/(usr\/(local\/)?)?s?bin\//.test(name) && name.endsWith(`/${there}`));
}
