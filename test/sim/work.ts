import type { JobState } from '../../src/domain/job.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { cancelJob } from '../../src/jobs/cancel.ts';
import { FrameDecoder } from '../../src/protocol/output-frames.ts';
import type { Changes } from '../../src/reconcile/changes.ts';
import type { World } from './world.ts';

interface Submitted {
  readonly id: string;
  readonly exitCode: number;
  readonly hasFile: boolean;
  isCancelled: boolean;
}

const mostOutputBytes = 10_000;

/** The users of a simulated cloud: what they submit, and whether they got what their scripts make. */
export class Work {
  readonly #world: World;
  readonly #jobs: Submitted[] = [];
  /** Chance of a job in a second. */
  readonly #rate: number;

  constructor(world: World) {
    this.#world = world;
    this.#rate = world.random.pick([0.04, 0.08, 0.15]) ?? 0.08;
  }

  get submitted(): number {
    return this.#jobs.length;
  }

  /** A second's worth of users. @param changes of the server that runs, if one does */
  async second(changes: Changes | undefined): Promise<void> {
    const { random } = this.#world;
    const burst = random.chance(0.008) ? random.int(3, 8) : 0;
    for (let left = burst + (random.chance(this.#rate) ? 1 : 0); left > 0; left -= 1) await this.#submit();
    changes?.notify('queue');
    if (changes !== undefined && random.chance(0.004)) await this.#cancel(changes);
  }

  async #submit(): Promise<void> {
    const { random, clock, store } = this.#world;
    const id = `job-${String(this.#jobs.length + 1).padStart(5, '0')}`;
    const seconds = random.pick([random.int(0, 5), random.int(10, 60), random.int(20, 150)]) ?? 0;
    const job: Submitted = {
      id,
      exitCode: random.chance(0.1) ? 3 : 0,
      hasFile: random.chance(0.2),
      isCancelled: false,
    };
    this.#jobs.push(job);
    const steps = ["print('begun')", `time.sleep(${seconds})`, "print('done')"];
    if (job.hasFile) steps.push("open('out/result', 'w').write('whole')");
    if (job.exitCode !== 0) steps.push(`sys.exit(${job.exitCode})`);
    const queued = queuedJob({ id, createdAtMs: clock.now() });
    await store.jobs.insert({ ...queued, spec: { ...queued.spec, scriptBlob: steps.join('\n') } });
    this.#world.count('jobs');
  }

  async #cancel(changes: Changes): Promise<void> {
    const job = this.#world.random.pick(this.#jobs);
    if (job === undefined) return;
    job.isCancelled = true;
    this.#world.count('cancellations');
    // One that has ended is not cancelled any more.
    await cancelJob({ ...this.#world, changes }, job.id).catch(() => undefined);
  }

  /** Each job has ended as its script says, with all of its output, once, and its files. */
  async check(): Promise<void> {
    for (const job of this.#jobs) await this.#checkJob(job);
  }

  async #checkJob({ id, exitCode, hasFile, isCancelled }: Submitted): Promise<void> {
    const { store, logs } = this.#world;
    const job = await store.jobs.get(id);
    const ended: JobState = exitCode === 0 ? 'succeeded' : 'failed';
    if (isCancelled && job?.state === 'cancelled') return;
    const violated = (what: string): void => this.#world.violated(`${id} ${what}`);
    if (job?.state !== ended) return violated(`is ${job?.state}: ${job?.result?.message}`);
    if (job.result?.exitCode !== exitCode) violated(`ended with ${job.result?.exitCode}, not ${exitCode}`);
    const frames = new FrameDecoder().push(await logs.read(id, job.attempt, 0, mostOutputBytes));
    const output = frames.map(({ data }) => Buffer.from(data).toString()).join('');
    if (output !== 'begun\ndone\n') violated(`has the output ${JSON.stringify(output)}`);
    const files = (await store.jobs.files(id)).map(({ path, blob }) => `${path} ${blob}`);
    if (files.join() !== (hasFile ? 'result whole' : '')) violated(`has the files ${files}`);
    const attempts = await store.jobs.attempts(id);
    this.#world.count('jobs ended');
    for (const { outcome } of attempts.slice(0, -1)) this.#world.count(`attempts ${outcome}`);
  }
}
