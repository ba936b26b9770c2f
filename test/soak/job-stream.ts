import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '../../src/cli/client.ts';
import { printLog } from '../../src/cli/follow.ts';
import { JobClient } from '../../src/cli/job-client.ts';
import { TidepoolError } from '../../src/domain/errors.ts';
import type { AttemptView, JobView } from '../../src/protocol/api.ts';
import type { Random } from '../sim/random.ts';
import { type PlannedJob, planJob } from './job-kinds.ts';
import { isPassing, patiently } from './patiently.ts';
import type { Story } from './story.ts';

const mostUnderWay = 6;
const lookEveryMs = 400;
/** A job ends within this once the faults have ended: the longest has a time limit of its own far below. */
const endLimitMs = 15 * 60_000;

interface Submitted {
  readonly id: string;
  readonly planned: PlannedJob;
  readonly submittedAtMs: number;
  isCancelAsked: boolean;
}

/** Keeps a few jobs under way at all times, and checks each when it has ended: its state, its output, its files. */
export class JobStream {
  readonly #random: Random;
  readonly #story: Story;
  readonly #folder: string;
  readonly #client: () => Promise<ApiClient>;
  readonly #underWay = new Map<string, Submitted>();
  readonly #ended = new Map<string, AttemptView[]>();
  /** Jobs that ended by kind. */
  readonly counts = new Map<string, number>();
  #submitted = 0;
  #refused = 0;

  constructor(random: Random, story: Story, folder: string, client: () => Promise<ApiClient>) {
    this.#random = random;
    this.#story = story;
    this.#folder = folder;
    this.#client = client;
  }

  get endedCount(): number {
    return this.#ended.size;
  }

  /** Submissions that the server refused for want of room, which is its right. */
  get refusedCount(): number {
    return this.#refused;
  }

  /** The attempts of every job that ended, by job. */
  get attempts(): ReadonlyMap<string, readonly AttemptView[]> {
    return this.#ended;
  }

  /** Submits and checks until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#underWay.size < mostUnderWay) await this.#submit(signal);
      await this.#look();
      await sleep(lookEveryMs);
    }
  }

  /** Waits for the end of what is under way. */
  async finish(): Promise<void> {
    const endMs = performance.now() + endLimitMs;
    while (this.#underWay.size > 0 && performance.now() < endMs) {
      await this.#look();
      await sleep(lookEveryMs);
    }
    for (const { id, planned } of this.#underWay.values()) {
      this.#story.violated(`job ${id} (${planned.kind}) has not ended ${endLimitMs / 60_000} min after the last fault`);
    }
  }

  async #submit(signal: AbortSignal): Promise<void> {
    const planned = planJob(this.#random);
    this.#submitted += 1;
    const script = join(this.#folder, `job-${this.#submitted}.py`);
    await writeFile(script, planned.script);
    try {
      const job = await patiently(async () => {
        const jobs = new JobClient(await this.#client());
        return jobs.submit({ ...planned.spec, name: planned.kind }, { script }, (ms) => sleep(ms));
      }, signal);
      const submittedAtMs = performance.now();
      this.#underWay.set(job.id, { id: job.id, planned, submittedAtMs, isCancelAsked: false });
      this.#story.note(`job ${job.id}: submitted (${planned.kind})`);
    } catch (error) {
      if (signal.aborted) return;
      if (!isRefusal(error)) throw error;
      this.#refused += 1;
      this.#story.note(`a submission was refused: ${error}`);
    }
  }

  async #look(): Promise<void> {
    for (const one of [...this.#underWay.values()]) {
      try {
        const jobs = new JobClient(await this.#client());
        const { cancelAfterMs } = one.planned;
        if (cancelAfterMs !== null && !one.isCancelAsked && performance.now() - one.submittedAtMs >= cancelAfterMs) {
          await jobs.cancel(one.id);
          one.isCancelAsked = true;
        }
        const job = await jobs.job(one.id);
        if (job.ended) await this.#check(jobs, one, job);
      } catch (error) {
        if (!isPassing(error) && !isRefusal(error)) this.#story.violated(`job ${one.id} cannot be asked for: ${error}`);
        return;
      }
    }
  }

  async #check(jobs: JobClient, { id, planned }: Submitted, job: JobView): Promise<void> {
    const attempts = await jobs.attempts(id);
    const problems: string[] = [];
    if (job.state !== planned.endsAs) problems.push(`it ended as ${job.state} (${job.reason}), not ${planned.endsAs}`);
    else if (planned.exitCode !== null && job.exitCode !== planned.exitCode)
      problems.push(`its exit code is ${job.exitCode}, not ${planned.exitCode}`);
    if (planned.stdout !== null) problems.push(...difference(await outputOf(jobs, job), planned.stdout));
    for (const [path, text] of Object.entries(planned.files)) {
      const found = job.state === planned.endsAs ? await fileOf(jobs, id, path) : text;
      if (found !== text) problems.push(`its file ${path} has ${found?.length} bytes, not the ${text.length} expected`);
    }
    this.#underWay.delete(id);
    this.#ended.set(id, attempts);
    this.counts.set(planned.kind, (this.counts.get(planned.kind) ?? 0) + 1);
    this.#story.note(`job ${id}: ${job.state} after ${attempts.length} attempts`);
    for (const problem of problems)
      this.#story.violated(`job ${id} (${planned.kind}, attempt ${job.attempt}): ${problem}`);
  }
}

/** Whether the server had no room for it. */
function isRefusal(error: unknown): boolean {
  return error instanceof TidepoolError && error.code === 'exhausted';
}

/** Output of the last attempt. */
async function outputOf(jobs: JobClient, job: JobView): Promise<string> {
  if (job.attempt === 0) return '';
  const chunks: Buffer[] = [];
  const sink = (): Writable =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        chunks.push(chunk);
        done();
      },
    });
  const stderr = new Writable({ write: (_chunk, _encoding, done) => done() });
  await printLog(jobs, job.id, { stdout: sink(), stderr }, `${job.attempt}:0`);
  return Buffer.concat(chunks).toString();
}

async function fileOf(jobs: JobClient, id: string, path: string): Promise<string | undefined> {
  const files = await jobs.files(id);
  if (!files.some((file) => file.path === path)) return undefined;
  return new Response(await jobs.file(id, path)).text();
}

function difference(found: string, expected: string): string[] {
  if (found === expected) return [];
  let at = 0;
  while (at < found.length && found[at] === expected[at]) at += 1;
  const around = (text: string): string => JSON.stringify(text.slice(Math.max(0, at - 20), at + 40));
  return [
    `its output has ${found.length} bytes, not ${expected.length}; they differ at ${at}: ${around(found)}, not ${around(expected)}`,
  ];
}
