import type { Command } from 'commander';
import { ApiClient } from '../cli/client.ts';
import { followJob, harmlessSinks, type OutputSinks, printLog } from '../cli/follow.ts';
import {
  type CancelOptions,
  type DownloadOptions,
  jobCancel,
  jobCancelMany,
  jobDelete,
  jobDownload,
  jobFiles,
  jobList,
  jobRerun,
  jobShow,
  type ListOptions,
} from '../cli/job.ts';
import { JobClient } from '../cli/job-client.ts';
import { type RunOptions, runCommand, type Terminal } from '../cli/run.ts';
import { findServer } from '../config/connection.ts';
import { TidepoolError } from '../domain/errors.ts';

interface Format {
  readonly json?: boolean;
}

type Client = () => Promise<JobClient>;
type Print = (text: string) => void;

/** Adds `run` and `job` to the command line (docs/jobs.md). */
export function addJobCommands(program: Command, terminal: Terminal, print: Print): void {
  const dataDir = (): string | undefined => program.opts<{ dataDir?: string }>().dataDir;
  const client: Client = async () => new JobClient(new ApiClient(await findServer(dataDir())));
  addRun(program, client, terminal);
  const job = program.command('job').description('jobs of the server');
  addLooks(job, client, print);
  addLogs(job, client, terminal, print);
  addChanges(job, client, print);
  addFiles(job, client, print);
}

/** An option that may be repeated. */
function collect(value: string, all: string[]): string[] {
  return [...all, value];
}

function addRun(program: Command, client: Client, terminal: Terminal): void {
  program
    .command('run')
    .description('run a Python script on a worker VM as if by `python3 FILE ARGS` here')
    .argument('[file]', 'the script, or a project: a folder or a ZIP file')
    .argument('[args...]', 'its arguments, after --')
    .option('--image', "run the command of the runtime's image; FILE and ARGS, if any, take the place of its arguments")
    .option('--entry <file>', 'of a project: the file to run (default: main.py)')
    .option('--data <zip-or-dir>', 'dataset; the script sees it at ./data')
    .option('--requirements <file>', 'a requirements.txt: what is installed before it runs')
    .option('--runtime <name>', 'Python and its libraries: python, ml, ...', 'python')
    .option('--name <name>', 'name of the job')
    .option('--cpus <n>', 'CPUs, e.g. 0.5')
    .option('--memory <size>', 'memory, e.g. 512M')
    .option('--disk <size>', 'working folder, e.g. 2G')
    .option('--timeout <time>', 'e.g. 30s, 5m')
    .option('--env <name=value>', 'environment variable (may be repeated)', collect, [])
    .option('--priority <n>', 'order among your own jobs, -100 to 100, the highest first')
    .option('--label <key=value>', 'label of the job (may be repeated)', collect, [])
    .option('--out <dir>', 'where the files that the script writes to ./out are put')
    .option('-d, --detach', 'print the id of the job and leave it to itself')
    .option('--json', 'print the final job as JSON instead of its output')
    .action(async (file: string | undefined, args: string[], options: RunOptions) => {
      process.exitCode = await runCommand(await client(), terminal, file, args, options);
    });
}

function addLooks(job: Command, client: Client, print: Print): void {
  job
    .command('list')
    .description('jobs, newest first')
    .option('--state <state>', 'only those in this state')
    .option('--owner <name>', 'only those of this user, for administrators')
    .option('--limit <n>', 'at most so many at one time', '50')
    .option('--cursor <cursor>', 'go on where a list ended')
    .option('--all', 'to the end')
    .option('--json', 'as JSON')
    .action(async (options: ListOptions) =>
      print(await jobList(await client(), options, (text) => process.stderr.write(`${text}\n`))),
    );
  job
    .command('show <id>')
    .description('one job: state, reason, limits, evidence, files')
    .option('--json', 'as JSON')
    .action(async (id: string, options: Format) => print(await jobShow(await client(), id, options)));
}

interface LogOptions extends Format {
  readonly follow?: boolean;
  readonly from?: string;
  readonly raw?: boolean;
}

function addLogs(job: Command, client: Client, terminal: Terminal, print: Print): void {
  job
    .command('logs <id>')
    .description('output of a job; on a terminal without control characters')
    .option('-f, --follow', 'go on until the job ended')
    .option('--from <attempt:offset>', 'from there on, as an event of the log has it for its id')
    .option('--raw', 'control characters too')
    .option('--json', 'print the job as JSON at the end, instead of its output')
    .action(async (id: string, { follow, from, raw, json }: LogOptions) => {
      const jobs = await client();
      if (json) return print(await jobShow(jobs, id, { json: true }));
      const sinks: OutputSinks = process.stdout.isTTY && !raw ? harmlessSinks(terminal) : terminal;
      if (follow) await followJob(jobs, id, sinks, terminal.sleep, from);
      else await printLog(jobs, id, sinks, from);
    });
}

function addChanges(job: Command, client: Client, print: Print): void {
  job
    .command('cancel [id]')
    .description('cancel a job, whatever it is doing; with --all many at once')
    .option('--all', 'all of your jobs that fit the other options')
    .option('--state <state>', 'with --all: only queued, starting or running ones')
    .option('--label <key=value>', 'with --all: only those that have it (may be repeated)', collect, [])
    .option('--json', 'as JSON')
    .action(async (id: string | undefined, { all, ...options }: CancelOptions & { all?: boolean }) => {
      if ((id === undefined) !== (all === true)) {
        throw new TidepoolError('invalid', 'name one job to cancel, or give --all and no name');
      }
      const jobs = await client();
      print(await (id === undefined ? jobCancelMany(jobs, options) : jobCancel(jobs, id, options)));
    });
  job
    .command('rerun <id>')
    .description('submit the same again as a new job, and print its id')
    .option('--json', 'as JSON')
    .action(async (id: string, options: Format) => print(await jobRerun(await client(), id, options)));
  job
    .command('delete <ids...>')
    .description('delete ended jobs with their output and files')
    .option('--json', 'as JSON')
    .action(async (ids: string[], options: Format) => print(await jobDelete(await client(), ids, options)));
}

function addFiles(job: Command, client: Client, print: Print): void {
  job
    .command('files <id>')
    .description('files that a job wrote to ./out')
    .option('--json', 'as JSON')
    .action(async (id: string, options: Format) => print(await jobFiles(await client(), id, options)));
  job
    .command('download <id> [files...]')
    .description('bring its files here, all unless some are named')
    .option('--out <dir>', 'into this folder (default: one named by the id)')
    .option('--zip <file>', 'all as one ZIP file instead')
    .option('--json', 'as JSON')
    .action(async (id: string, files: string[], options: DownloadOptions) =>
      print(await jobDownload(await client(), id, files, options)),
    );
}
