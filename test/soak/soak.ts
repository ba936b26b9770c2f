import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServiceClient } from '../../src/cli/service-client.ts';
import { Random } from '../sim/random.ts';
import type { Fault, FaultContext } from './fault.ts';
import { guestFaults } from './guest-faults.ts';
import { Installation, soakFolder } from './installation.ts';
import { JobStream } from './job-stream.ts';
import { operatorFaults } from './operator-faults.ts';
import type { SoakOptions } from './options.ts';
import { patiently } from './patiently.ts';
import { processFaults } from './process-faults.ts';
import { RequestStream } from './request-stream.ts';
import { roomFaults } from './room-faults.ts';
import { Story } from './story.ts';
import { Witness } from './witness.ts';

const pool = 'soak';
const service = 'soaked';
const poolSize = 2;
const serviceSize = 2;
const readyLimitMs = 10 * 60_000;
const calmLimitMs = 10 * 60_000;
const mostFaultsAtOnce = 3;

/** Small VMs, and patience: a job may lose many workers in an hour, and none of them is its own fault. */
const config = {
  flavors: [{ name: 'tiny', vcpus: 1, memoryMiB: 512, diskGiB: 4 }],
  pools: [{ name: pool, prefix: 'soak', flavor: 'tiny', min: 1, max: poolSize }],
  jobs: { maxAttempts: 10 },
  // The disks of the soak are smaller than the usual reserve.
  room: { diskReserveMiB: 128 },
};

export const allFaults: readonly Fault[] = [...processFaults, ...guestFaults, ...roomFaults, ...operatorFaults];

/** How a soak ended. */
export interface SoakResult {
  readonly violations: readonly string[];
  readonly faults: ReadonlyMap<string, number>;
  readonly jobs: number;
  readonly attempts: number;
  readonly answered: number;
  readonly retried: number;
  readonly refused: number;
  readonly machines: number;
  /** What is left for who looks for a cause; null when it was removed. */
  readonly folder: string | null;
}

/** Runs a cloud on real VMs under load and random faults, then without faults until all is well, and checks everything. */
export async function soak(options: SoakOptions, print: (line: string) => void): Promise<SoakResult> {
  const folder = await soakFolder();
  const story = new Story(join(folder, 'story.log'), print);
  const installation = await Installation.make(folder, config, story);
  const soaking = new Soak(options, installation, story);
  let isSound = false;
  try {
    await soaking.run();
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
  readonly #made = new Map<string, number>();
  readonly #underWay = new Map<Fault, Promise<void>>();
  readonly #faulting = new AbortController();
  readonly #ending = new AbortController();

  constructor(options: SoakOptions, installation: Installation, story: Story) {
    this.#options = options;
    this.#installation = installation;
    this.#story = story;
    this.#random = new Random(options.seed);
    this.#witness = new Witness(installation, story);
    this.#jobs = new JobStream(new Random(options.seed + 1), story, installation.folder, () => installation.client());
  }

  async run(): Promise<void> {
    const { signal } = this.#ending;
    this.#installation.start();
    const watching = this.#witness.run(signal);
    const url = await this.#deploy();
    this.#requests = new RequestStream(new Random(this.#options.seed + 2), this.#story, url);
    const load = Promise.all([this.#jobs.run(this.#faulting.signal), this.#requests.run(this.#faulting.signal)]);
    load.catch(() => this.#faulting.abort());
    this.#story.say('all is up; the faults begin');
    await this.#makeFaults();
    this.#faulting.abort();
    await Promise.all(this.#underWay.values());
    this.#story.say('no more faults; everything must become well now');
    await load;
    await Promise.all([this.#jobs.finish(), this.#requests.finish(), this.#becomeCalm()]);
    this.#witness.check(this.#jobs.attempts);
    await this.#checkEnd();
    this.#ending.abort();
    await watching;
  }

  figures(): Omit<SoakResult, 'violations' | 'folder'> {
    let attempts = 0;
    for (const each of this.#jobs.attempts.values()) attempts += each.length;
    return {
      faults: this.#made,
      jobs: this.#jobs.endedCount,
      attempts,
      answered: this.#requests?.answered ?? 0,
      retried: this.#requests?.retried ?? 0,
      refused: this.#jobs.refusedCount,
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

  async #makeFaults(): Promise<void> {
    const context = this.#context();
    const possible = allFaults.filter((fault) => {
      if (this.#options.only.length > 0 && !this.#options.only.includes(fault.name)) return false;
      const is = fault.isPossible(context);
      if (is !== true) this.#story.say(`no ${fault.name}: ${is}`);
      return is === true;
    });
    if (possible.length === 0) throw new Error(`no fault is named ${this.#options.only.join(' or ')}`);
    const endMs = performance.now() + this.#options.forMs;
    while (performance.now() < endMs) {
      await sleep(this.#options.everyMs * (0.2 + 1.6 * this.#random.next()));
      if (this.#underWay.size >= mostFaultsAtOnce) continue;
      this.#begin(this.#choose(possible), context);
    }
  }

  #choose(possible: readonly Fault[]): Fault | undefined {
    const busy = new Set([...this.#underWay.keys()].map(({ group }) => group));
    const free = possible.filter((fault) => fault.group === '' || !busy.has(fault.group));
    let at = this.#random.next() * free.reduce((sum, { weight }) => sum + weight, 0);
    return free.find(({ weight }) => {
      at -= weight;
      return at < 0;
    });
  }

  #begin(fault: Fault | undefined, context: FaultContext): void {
    if (fault === undefined) return;
    this.#story.note(`begin ${fault.name}`);
    const made = fault
      .make(context)
      .then((what) => {
        if (what === undefined) return this.#story.note(`${fault.name}: there was nothing to do it to`);
        this.#made.set(fault.name, (this.#made.get(fault.name) ?? 0) + 1);
        this.#story.say(what);
      })
      .catch((error: unknown) => this.#story.note(`${fault.name} could not be made: ${error}`))
      .finally(() => this.#underWay.delete(fault));
    this.#underWay.set(fault, made);
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

  /** Waits until pool and service have what they should have; a violation when that takes too long. */
  async #becomeCalm(): Promise<void> {
    try {
      await this.#isWell(AbortSignal.timeout(calmLimitMs));
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
    const crash = /^.*(unhandled|uncaught|TypeError|ReferenceError|RangeError|heap out of memory).*$/im.exec(log)?.[0];
    if (crash !== undefined) this.#story.violated(`the server's log has: ${crash}`);
  }
}
