import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServiceClient } from '../../src/cli/service-client.ts';
import { Random } from '../sim/random.ts';
import type { FaultContext } from './fault.ts';
import { FaultMaker } from './fault-maker.ts';
import { Installation, soakFolder } from './installation.ts';
import { JobStream } from './job-stream.ts';
import type { SoakOptions } from './options.ts';
import { patiently } from './patiently.ts';
import { RequestStream } from './request-stream.ts';
import { Story } from './story.ts';
import { Witness } from './witness.ts';

const pool = 'soak';
const service = 'soaked';
const poolSize = 2;
const serviceSize = 2;
const readyLimitMs = 10 * 60_000;
const calmLimitMs = 10 * 60_000;
/** Faults are made for this time at most; then all must become well before there are new ones. */
const roundMs = 3 * 60_000;

/** Small VMs, and patience: a job may lose many workers in an hour, and none of them is its own fault. */
const config = {
  flavors: [{ name: 'tiny', vcpus: 1, memoryMiB: 512, diskGiB: 4 }],
  pools: [{ name: pool, prefix: 'soak', flavor: 'tiny', min: 1, max: poolSize }],
  jobs: { maxAttempts: 100 },
  // The disks of the soak are smaller than the usual reserve.
  room: { diskReserveMiB: 128 },
};

/** How a soak ended. */
export interface SoakResult {
  readonly violations: readonly string[];
  readonly faults: ReadonlyMap<string, number>;
  readonly jobs: number;
  readonly attempts: number;
  readonly answered: number;
  readonly retried: number;
  readonly refused: number;
  readonly longestWaitMs: number;
  readonly rounds: number;
  readonly machines: number;
  /** What is left for who looks for a cause; null when it was removed. */
  readonly folder: string | null;
}

/**
 * Runs a cloud on real VMs under load, in rounds: random faults for some minutes, then none until all is well again. Checks
 * everything at the end.
 * @param stopping ends the faults early; all must become well and is checked as after the last round
 */
export async function soak(
  options: SoakOptions,
  print: (line: string) => void,
  stopping: AbortSignal = new AbortController().signal,
): Promise<SoakResult> {
  const folder = await soakFolder();
  const story = new Story(join(folder, 'story.log'), print);
  const installation = await Installation.make(folder, config, story);
  const soaking = new Soak(options, installation, story);
  let isSound = false;
  try {
    await soaking.run(stopping);
    isSound = story.violations.length === 0;
  } catch (error) {
    story.violated(`the soak itself failed: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
  } finally {
    await installation.remove(!isSound && options.keep);
  }
  return {
    ...soaking.figures(),
    violations: story.violations,
    folder: isSound || !options.keep ? null : folder,
  };
}

class Soak {
  readonly #options: SoakOptions;
  readonly #installation: Installation;
  readonly #story: Story;
  readonly #random: Random;
  readonly #witness: Witness;
  readonly #jobs: JobStream;
  #requests: RequestStream | undefined;
  readonly #faults: FaultMaker;
  readonly #faulting = new AbortController();
  readonly #ending = new AbortController();
  #rounds = 0;

  constructor(options: SoakOptions, installation: Installation, story: Story) {
    this.#options = options;
    this.#installation = installation;
    this.#story = story;
    this.#random = new Random(options.seed);
    this.#witness = new Witness(installation, story);
    this.#jobs = new JobStream(new Random(options.seed + 1), story, installation.folder, () => installation.client());
    this.#faults = new FaultMaker(options, this.#context());
  }

  async run(stopping: AbortSignal): Promise<void> {
    const { signal } = this.#ending;
    this.#installation.start();
    const watching = this.#witness.run(signal);
    const url = await this.#deploy();
    this.#requests = new RequestStream(new Random(this.#options.seed + 2), this.#story, url);
    const load = Promise.all([this.#jobs.run(this.#faulting.signal), this.#requests.run(this.#faulting.signal)]);
    load.catch(() => this.#faulting.abort());
    this.#story.say('all is up; the faults begin');
    for (let leftMs = this.#options.forMs; leftMs > 0 && !stopping.aborted; leftMs -= roundMs) {
      await this.#faults.run(Math.min(leftMs, roundMs), stopping);
      this.#rounds += 1;
      this.#story.say(`no faults now; everything must become well (round ${this.#rounds})`);
      await this.#becomeCalm(this.#requests);
    }
    this.#faulting.abort();
    await load;
    await Promise.all([this.#jobs.finish(), this.#becomeCalm(this.#requests)]);
    this.#witness.check(this.#jobs.attempts);
    await this.#checkEnd();
    this.#ending.abort();
    await watching;
  }

  figures(): Omit<SoakResult, 'violations' | 'folder'> {
    let attempts = 0;
    for (const each of this.#jobs.attempts.values()) attempts += each.length;
    return {
      faults: this.#faults.made,
      jobs: this.#jobs.endedCount,
      attempts,
      answered: this.#requests?.answered ?? 0,
      retried: this.#requests?.retried ?? 0,
      refused: this.#jobs.refusedCount,
      longestWaitMs: this.#requests?.longestWaitMs ?? 0,
      rounds: this.#rounds,
      machines: this.#witness.machineCount,
    };
  }

  /** Resolves with the address of the service when it and the pool are up. */
  async #deploy(): Promise<string> {
    const limit = AbortSignal.timeout(readyLimitMs);
    const deployed = await patiently(async () => {
      const services = new ServiceClient(await this.#installation.client());
      const settings = { min: serviceSize, max: serviceSize };
      return services.deploy({ name: service, flavor: 'tiny', settings }, ['examples/services/fibonacci.py']);
    }, limit);
    const { address } = deployed.service;
    if (address === null) throw new Error('the service has no address');
    await this.#isWell(limit);
    return `http://${address.host}:${address.port}`;
  }

  #context(): FaultContext {
    return {
      installation: this.#installation,
      random: this.#random,
      story: this.#story,
      witness: this.#witness,
      pool,
      service,
      client: () => this.#installation.client(),
      pause: (ms) => sleep(ms, undefined, { signal: this.#faulting.signal }).catch(() => undefined),
    };
  }

  /** Waits until pool and service have what they should have and requests are answered; a violation when that takes too long. */
  async #becomeCalm(requests: RequestStream): Promise<void> {
    const limit = AbortSignal.timeout(calmLimitMs);
    try {
      await Promise.all([this.#isWell(limit), requests.finish(limit)]);
    } catch (error) {
      this.#story.violated(`pool and service were not well ${calmLimitMs / 60_000} min after the last fault: ${error}`);
    }
  }

  async #isWell(limit: AbortSignal): Promise<void> {
    let seen = '';
    while (!limit.aborted) {
      const problem = await patiently(async () => {
        const client = await this.#installation.client();
        const { pools } = await client.pools();
        const states = pools.map(({ name, counts }) => `${name}: ${counts.ready} of ${counts.desired}`);
        const endpoints = (await new ServiceClient(client).endpoints(service)).length;
        const areWell = pools.length === 2 && pools.every(({ counts }) => counts.ready === counts.desired);
        return areWell && endpoints === serviceSize ? '' : `${states.join(', ')}; ${endpoints} endpoints`;
      }, limit);
      if (problem === '') return;
      seen = problem;
      await sleep(500);
    }
    throw new Error(seen);
  }

  /** The server ends as it should, and leaves nothing behind. */
  async #checkEnd(): Promise<void> {
    const client = await this.#installation.client();
    await new ServiceClient(client).delete(service);
    const code = await this.#installation.stop();
    if (code !== 0) this.#story.violated(`the server ended with ${code}`);
    const machines = await this.#installation.machines();
    if (machines.length > 0) this.#story.violated(`${machines.length} QEMU processes are left`);
    const frontDoor = await this.#installation.frontDoor();
    if (frontDoor.length > 0) this.#story.violated(`${frontDoor.length} processes of HAProxy are left`);
    const files = await readdir(this.#installation.machineDir).catch(() => []);
    const left = files.filter((name) => name !== 'lost+found');
    if (left.length > 0) this.#story.violated(`files of machines are left: ${left.slice(0, 5).join(', ')}`);
    const log = await readFile(join(this.#installation.folder, 'server.log'), 'utf8');
    const crash = /^.*(unhandled|uncaught|TypeError|ReferenceError|RangeError|heap out of memory).*(\n.*){0,12}/im.exec(
      log,
    );
    if (crash !== null) this.#story.violated(`the server's log has: ${crash[0]}`);
  }
}
