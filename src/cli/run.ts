import { stat } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { TidepoolError } from '../domain/errors.ts';
import type { JobView, SubmissionBody } from '../protocol/api.ts';
import { type PackedFolder, packFolder } from './dataset.ts';
import { downloadFiles, makeFolder } from './download.ts';
import { followJob, type OutputSinks } from './follow.ts';
import { harmless } from './harmless.ts';
import { parseLabels } from './job.ts';
import type { JobClient, SubmittedFiles } from './job-client.ts';
import { exitCodeOf, outcomeMessage } from './outcome.ts';
import { parseCpus, parseDuration, parseEnvironment, parsePriority, parseSize } from './units.ts';

/** Swallows what is written to it. */
const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });

export interface RunOptions {
  readonly data?: string;
  readonly entry?: string;
  readonly image?: boolean;
  readonly requirements?: string;
  readonly runtime: string;
  readonly name?: string;
  readonly cpus?: string;
  readonly memory?: string;
  readonly disk?: string;
  readonly timeout?: string;
  readonly env?: readonly string[];
  readonly priority?: string;
  readonly label?: readonly string[];
  readonly out?: string;
  readonly detach?: boolean;
  readonly json?: boolean;
}

/** What the command needs from the process that it runs in. */
export interface Terminal extends OutputSinks {
  sleep(ms: number): Promise<void>;
  /** Calls the handler at Ctrl-C until the returned function is called. */
  onInterrupt(handler: () => void): () => void;
}

/**
 * `tidepool run`: behaves like `python3 FILE ARGS` here; the exit code is the script's. Its output is passed on as it is.
 * Errors: `invalid` before anything is sent when a file or an option is not right.
 */
export async function runCommand(
  client: JobClient,
  terminal: Terminal,
  file: string | undefined,
  args: readonly string[],
  options: RunOptions,
): Promise<number> {
  const isImage = options.image === true;
  if (file === undefined && !isImage) {
    throw new TidepoolError('invalid', "name the script to run, or say --image for the command of the runtime's image");
  }
  if (options.out !== undefined) await makeFolder(options.out);
  const spec = submissionOf(isImage && file !== undefined ? [file, ...args] : args, options);
  const job = await submit(client, spec, isImage ? undefined : file, options, terminal.sleep);
  if (options.detach) {
    terminal.stdout.write(options.json ? `${JSON.stringify(job, null, 2)}\n` : `${job.id}\n`);
    return 0;
  }
  let interrupts = 0;
  const restore = terminal.onInterrupt(() => {
    interrupts += 1;
    // The end of the job arrives on its log like any other; a second Ctrl-C does not wait for it.
    client.cancel(job.id).catch(() => undefined);
    if (interrupts > 1) terminal.stderr.write(`tidepool: job ${job.id} is being cancelled\n`);
  });
  try {
    const quiet: OutputSinks = { stdout: nowhere, stderr: nowhere };
    const ended = await followJob(client, job.id, options.json ? quiet : terminal, terminal.sleep);
    const files =
      options.out === undefined ? await client.files(job.id) : await downloadFiles(client, job.id, options.out);
    if (options.json) terminal.stdout.write(`${JSON.stringify({ ...ended, files }, null, 2)}\n`);
    const message = outcomeMessage(ended);
    if (message !== '' && !options.json) terminal.stderr.write(`${harmless(message)}\n`);
    return exitCodeOf(ended);
  } finally {
    restore();
  }
}

function submissionOf(args: readonly string[], options: RunOptions): SubmissionBody {
  return {
    runtime: options.runtime,
    args: [...args],
    environment: parseEnvironment(options.env ?? []),
    limits: {
      ...(options.cpus === undefined ? {} : { cpus: parseCpus(options.cpus) }),
      ...(options.memory === undefined ? {} : { memoryBytes: parseSize(options.memory) }),
      ...(options.disk === undefined ? {} : { diskBytes: parseSize(options.disk) }),
      ...(options.timeout === undefined ? {} : { timeoutMs: parseDuration(options.timeout) }),
    },
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.entry === undefined ? {} : { entrypoint: options.entry }),
    ...(options.priority === undefined ? {} : { priority: parsePriority(options.priority) }),
    labels: parseLabels(options.label ?? []),
  };
}

async function submit(
  client: JobClient,
  spec: SubmissionBody,
  file: string | undefined,
  options: RunOptions,
  sleep: Terminal['sleep'],
): Promise<JobView> {
  const packed: PackedFolder[] = [];
  try {
    return await client.submit(spec, await filesOf(file, options, packed), sleep);
  } finally {
    for (const folder of packed) await folder.remove();
  }
}

/** What is sent: a folder or a ZIP file is a project. @param packed gets what must be removed afterwards */
async function filesOf(file: string | undefined, options: RunOptions, packed: PackedFolder[]): Promise<SubmittedFiles> {
  const pack = async (path: string, what: 'dataset' | 'project'): Promise<string> => {
    const folder = await packFolder(path, what);
    packed.push(folder);
    return folder.path;
  };
  const beside = {
    data: options.data === undefined ? undefined : await pack(options.data, 'dataset'),
    requirements: options.requirements,
  };
  if (file === undefined) return beside;
  const facts = await stat(file).catch((cause: unknown) => {
    throw new TidepoolError('invalid', `the script ${file} does not exist or cannot be read`, { cause });
  });
  if (!facts.isFile() && !facts.isDirectory()) throw new TidepoolError('invalid', `${file} is not a file`);
  const isProject = facts.isDirectory() || file.endsWith('.zip');
  if (options.entry !== undefined && !isProject)
    throw new TidepoolError('invalid', `--entry is for projects; ${file} is neither a folder nor a ZIP file`);
  return {
    ...(isProject ? { project: await pack(file, 'project') } : { script: file }),
    ...beside,
  };
}
