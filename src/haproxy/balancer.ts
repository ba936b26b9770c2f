import { readFile } from 'node:fs/promises';
import { availableParallelism, userInfo } from 'node:os';
import type { BalancedService, BalancedStats, Balancer } from '../domain/balancer.ts';
import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import { type Loop, startLoop } from '../reconcile/loop.ts';
import { Turns } from '../reconcile/turns.ts';
import { needsClearing, serverCommands } from './changes.ts';
import { checkServices, isSamePlace, portTaken } from './check.ts';
import { type Config, type ConfigSettings, haproxyConfig, placeOfFrontend } from './config.ts';
import { HaproxyProcess, type HaproxyProcessOptions, holdScript, type Running } from './haproxy.ts';
import { whyPortIsTaken } from './listen.ts';
import { Overdue } from './overdue.ts';
import { OwnErrors } from './own-errors.ts';
import { Restarts } from './restarts.ts';
import { Stats } from './stats.ts';
import type { KnownServer } from './tables.ts';
import { carryOut, rowsOf, rowsOfAll, serversOf } from './worker.ts';

export interface HaproxyOptions extends HaproxyProcessOptions {
  /** How long a request waits for a server that has room, or for the first server; 30 s unless given. */
  readonly waitMs?: number;
}

/** How often it is looked whether HAProxy is still there. */
const watchPeriodMs = 250;
/** How often its servers are gone through, beside `apply`. */
const changePeriodMs = 1_000;
const defaultWaitMs = 30_000;
/** More do not make it faster where VMs need the CPUs. */
const maxThreads = 4;

/**
 * The front door by HAProxy (2.6 and later), in a process that outlives us. Nothing is started before the first `apply`; from
 * then on a HAProxy that died is started again with what was applied last. Errors: `invalid` for the folder.
 */
export async function openHaproxyBalancer(options: HaproxyOptions): Promise<Balancer> {
  const haproxy = await HaproxyProcess.open(options);
  const settings = {
    holdScript: holdScript(options.folder),
    threads: Math.min(availableParallelism(), maxThreads),
    waitMs: options.waitMs ?? defaultWaitMs,
    account: await accountForWorkers(),
  };
  return new HaproxyBalancer(haproxy, settings, options);
}

/** As root the workers, which read what clients send, become a user that may do nothing. */
async function accountForWorkers(): Promise<ConfigSettings['account']> {
  if (userInfo().uid !== 0) return null;
  const hasOwn = /^haproxy:/m.test(await readFile('/etc/passwd', 'utf8'));
  return hasOwn ? { user: 'haproxy', group: 'haproxy' } : { user: 'nobody', group: 'nogroup' };
}

class HaproxyBalancer implements Balancer {
  readonly #haproxy: HaproxyProcess;
  readonly #settings: ConfigSettings;
  readonly #options: HaproxyOptions;
  readonly #turns = new Turns();
  readonly #stats = new Stats();
  readonly #ownErrors: OwnErrors;
  readonly #overdue: Overdue;
  readonly #restarts: Restarts;
  readonly #watch: Loop;
  /** What HAProxy should serve; undefined before the first `apply`. */
  #applied: readonly BalancedService[] | undefined;
  #changedAtMs = 0;
  #written = '';
  #complaint = '';

  constructor(haproxy: HaproxyProcess, settings: ConfigSettings, options: HaproxyOptions) {
    this.#haproxy = haproxy;
    this.#settings = settings;
    this.#options = options;
    this.#ownErrors = new OwnErrors(haproxy.master);
    this.#overdue = new Overdue(options.clock);
    this.#restarts = new Restarts(options.clock);
    this.#watch = startLoop({
      name: 'front door',
      clock: options.clock,
      periodMs: watchPeriodMs,
      step: () => this.#turns.run(() => this.#look()),
      onError: (error) => this.#complain(toTidepoolError(error).message),
    });
  }

  apply(services: readonly BalancedService[]): Promise<void> {
    return this.#turns.run(async () => {
      checkServices(services);
      const running = await this.#haproxy.find();
      if (running === undefined) return this.#startWith(services);
      const config = haproxyConfig(services, this.#settings);
      const known = await serversOf(this.#haproxy.master, running.worker);
      if (config.fingerprint === running.fingerprint && !needsClearing(services, known)) {
        await this.#changeServers(services, known, running);
      } else {
        await this.#checkPorts(services, running);
        // What the worker counted so far is looked at once more: it may be gone when somebody asks next.
        await this.#count(this.#applied ?? [], running);
        await this.#haproxy.reload(config, running);
        this.#written = config.text;
      }
      this.#applied = services;
    });
  }

  stats(): Promise<BalancedStats[]> {
    return this.#turns.run(async () => {
      const services = this.#applied ?? [];
      const running = await this.#haproxy.find();
      if (running === undefined && services.length === 0) return [];
      if (running === undefined) throw new TidepoolError('unavailable', 'HAProxy does not run at the moment');
      return this.#count(services, running);
    });
  }

  async close(): Promise<void> {
    await this.#watch.stop();
  }

  async stop(): Promise<void> {
    await this.#watch.stop();
    await this.#turns.run(() => this.#haproxy.stop());
  }

  /** Of the watch: starts HAProxy again when it is gone, goes on removing servers that drain, and gives up dead ones. */
  async #look(): Promise<void> {
    if (this.#applied === undefined || this.#applied.length === 0 || !this.#restarts.mayTry()) return;
    const running = await this.#haproxy.find();
    if (running === undefined) {
      const refused = await this.#start(this.#applied);
      this.#complain('HAProxy was gone, and has been started again');
      for (const error of refused) this.#complain(error.message);
    } else if (this.#options.clock.uptimeMs() - this.#changedAtMs >= changePeriodMs) {
      await this.#changeServers(this.#applied, await serversOf(this.#haproxy.master, running.worker), running);
    }
    this.#complaint = '';
  }

  async #startWith(services: readonly BalancedService[]): Promise<void> {
    if (services.length === 0) {
      this.#applied = services;
      return;
    }
    if (!this.#restarts.mayTry()) throw new TidepoolError('unavailable', 'HAProxy ended again soon after its start');
    const [refused] = await this.#start(services);
    if (refused !== undefined) throw refused;
  }

  /**
   * Starts it with those services whose ports are free, because one must not keep all from working. Returns what is wrong
   * with the others.
   */
  async #start(services: readonly BalancedService[]): Promise<TidepoolError[]> {
    this.#restarts.noteTry();
    const asked = await Promise.all(
      services.map(async (service) => ({ service, why: await whyPortIsTaken(service, this.#options.clock) })),
    );
    const free = asked.filter(({ why }) => why === undefined).map(({ service }) => service);
    const config = haproxyConfig(free, this.#settings);
    await this.#haproxy.start(config);
    this.#written = config.text;
    this.#applied = free;
    return asked.flatMap(({ service, why }) => (why === undefined ? [] : [portTaken(service, why)]));
  }

  /** Errors: `conflict` when a service cannot have a port that HAProxy does not have already. */
  async #checkPorts(services: readonly BalancedService[], { worker }: Running): Promise<void> {
    const held = (await rowsOf(this.#haproxy.master, worker))
      .filter(({ kind }) => kind === 'frontend')
      .map(({ proxy }) => placeOfFrontend(proxy));
    for (const service of services) {
      if (held.some((place) => isSamePlace(place, service))) continue;
      const why = await whyPortIsTaken(service, this.#options.clock);
      if (why !== undefined) throw portTaken(service, why);
    }
  }

  async #changeServers(
    services: readonly BalancedService[],
    known: readonly KnownServer[],
    { worker }: Running,
  ): Promise<void> {
    await this.#write(haproxyConfig(services, this.#settings));
    const { master } = this.#haproxy;
    const busy = this.#overdue.judge(services, known, await rowsOf(master, worker));
    await carryOut(master, worker, serverCommands(services, busy));
    this.#changedAtMs = this.#options.clock.uptimeMs();
  }

  async #write(config: Config): Promise<void> {
    if (config.text === this.#written) return;
    await this.#haproxy.write(config);
    this.#written = config.text;
  }

  async #count(services: readonly BalancedService[], { worker, processes }: Running): Promise<BalancedStats[]> {
    const rows = await rowsOfAll(this.#haproxy.master, worker, processes.leaving);
    await this.#ownErrors.update(rows);
    return this.#stats.update(services, { worker, rows, ownErrors: (pid, name) => this.#ownErrors.of(pid, name) });
  }

  /** Says a thing once, until things are well again. */
  #complain(message: string): void {
    if (message !== this.#complaint) this.#options.log(`front door: ${message}`);
    this.#complaint = message;
  }
}
