import { TidepoolError } from '../domain/errors.ts';
import { pathProblem } from '../protocol/file-stream.ts';

/** Folders of every job's working folder: the dataset, and the files that are kept. */
const dataFolder = 'data';
const outFolder = 'out';

/** Tried in this order where none is named. */
const usualNames = ['main.py', '__main__.py'];

/** Refuses names that a script cannot have. Error: `invalid`. Pure. */
export function checkEntrypoint(name: string): void {
  const problem = name.includes('/') ? 'it has a slash' : fileProblem(name);
  if (problem !== undefined) throw new TidepoolError('invalid', `the script's file name cannot be used: ${problem}`);
  if (name === dataFolder || name === outFolder) {
    throw new TidepoolError('invalid', `the script may not be named ${name}: that is a folder of the job`);
  }
}

/**
 * The file of a project to run: the one that is named, else `main.py`, `__main__.py`, or the only Python file beside no
 * folder. Error: `invalid`. Pure.
 * @param files paths of the project's files
 */
export function projectEntrypoint(named: string | undefined, files: ReadonlySet<string>, hasData: boolean): string {
  for (const folder of hasData ? [dataFolder, outFolder] : [outFolder]) {
    if (![...files].some((path) => path === folder || path.startsWith(`${folder}/`))) continue;
    throw new TidepoolError('invalid', `the project may not have ${folder}: that is a folder of the job`);
  }
  if (named !== undefined) {
    const problem = fileProblem(named) ?? (files.has(named) ? undefined : 'the project has no such file');
    if (problem === undefined) return named;
    throw new TidepoolError('invalid', `${JSON.stringify(named)} cannot be run: ${problem}`);
  }
  const scripts = [...files].filter((path) => path.endsWith('.py') && !path.includes('/'));
  const usual = usualNames.find((name) => files.has(name)) ?? (scripts.length === 1 ? scripts[0] : undefined);
  if (usual !== undefined) return usual;
  throw new TidepoolError(
    'invalid',
    'the project has no main.py at its top: say which of its files is to be run (entrypoint; --entry of the command line)',
  );
}

/** Python would take a name with a dash in front for an option. */
function fileProblem(path: string): string | undefined {
  return path.startsWith('-') ? 'it begins with a dash' : pathProblem(path);
}
