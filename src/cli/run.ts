import { stat } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { TidepoolError } from '../domain/errors.ts';
import type { SubmissionBody } from '../protocol/api.ts';
import type { ApiClient } from './client.ts';
import { packDataset } from './dataset.ts';
import { downloadFiles } from './download.ts';
import { followJob, type OutputSinks } from './follow.ts';
import { parseLabels } from './job.ts';
import { exitCodeOf, outcomeMessage } from './outcome.ts';
import { parseCpus, parseDuration, parseEnvironment, parsePriority, parseSize } from './units.ts';

/** Swallows what is written to it. */
const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });

export interface RunOptions {
  readonly data?: string;
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
  readonly json?: boolean;
}

/** What the command needs from the process that it runs in. */
export interface Terminal extends OutputSinks {
  sleep(ms: number): Promise<void>;
  /** Calls the handler at Ctrl-C until the returned function is called. */
  onInterrupt(handler: () => void): () => void;
}

/**
 * `tidepool run`: behaves like `python3 FILE ARGS` here; the exit code is the script's.
 * Errors: `invalid` before anything is sent when a file or an option is not right.
 */
export async function runCommand(
  client: ApiClient,
  terminal: Terminal,
  file: string,
  args: readonly string[],
  options: RunOptions,
): Promise<number> {
  const spec = submissionOf(args, options);
  await checkScript(file);
  const data = options.data === undefined ? undefined : await packDataset(options.data);
  const job = await client.submit(spec, file, data?.path).finally(() => data?.remove());
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
    if (message !== '' && !options.json) terminal.stderr.write(`${message}\n`);
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
    ...(options.priority === undefined ? {} : { priority: parsePriority(options.priority) }),
    labels: parseLabels(options.label ?? []),
  };
}

async function checkScript(file: string): Promise<void> {
  const facts = await stat(file).catch((cause: unknown) => {
    throw new TidepoolError('invalid', `the script ${file} does not exist or cannot be read`, { cause });
  });
  if (!facts.isFile()) throw new TidepoolError('invalid', `${file} is not a file`);
}
