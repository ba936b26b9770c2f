import type { Duplex } from 'node:stream';
import type { AgentAddress } from '../domain/agent-link.ts';
import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import type { EventName } from '../domain/event.ts';
import type { Vm, VmState } from '../domain/vm.ts';
import { areSameFacts, factsOf } from '../domain/vm-facts.ts';
import { joinedHost, joinedPool, joinedVmName, type WorkerTunnel, workLeaseMs } from '../domain/worker.ts';
import { type AgentHealth, agentProtocol } from '../protocol/agent.ts';
import { workerHealthEveryMs, workerInstancePattern, workerNamePattern } from '../protocol/worker.ts';
import { vmTopic } from '../reconcile/changes.ts';
import { Silence } from '../reconcile/lateness.ts';
import { type Loop, startLoop } from '../reconcile/loop.ts';
import { writeEvent } from '../reconcile/write-event.ts';
import type { JoinedContext } from './context.ts';

/** A worker that is away for this long has ended its attempts by its own clock: its work lease, and time for clocks that differ. */
const maxAwayMs = workLeaseMs + 10_000 + 0.02 * workLeaseMs;
const maxWorkers = 16_384;
/** Workers that are asked at the same time, and the time over which the questions to all of them are spread. */
const askedAtOnce = 50;
const spreadMs = workerHealthEveryMs / 2;
/** The limit of AgentLink.health. */
const answerLimitMs = 10_000;
/** States in which it has not ended. */
const alive: readonly VmState[] = ['booting', 'ready', 'draining', 'away'];

interface Link {
  readonly instance: string;
  /** Hash of the token with which it joined. */
  readonly tokenHash: string;
  readonly tunnel: WorkerTunnel;
  /** Of its agent, as far as it can be charged to it. */
  readonly silence: Silence;
}

/** A worker that joined, and whether its link is there now. */
export interface JoinedWorker {
  readonly vm: Vm;
  readonly isConnected: boolean;
}

/**
 * Workers that joined by hand. Each is a row among the VMs, in a pool that nobody scales, so that jobs are given to it, wait
 * for it and are lost with it as with any other: `booting` until its agent has answered, `ready` while its link is there,
 * `away` while it may come back, `draining` when it is to leave, `dead` when its jobs must go elsewhere.
 */
export class JoinedWorkers {
  readonly #context: JoinedContext;
  readonly #links = new Map<string, Link>();
  /** Since when the link of a worker is gone, by the steady clock; for those that this server never heard, since its start. */
  readonly #awaySinceMs = new Map<string, number>();
  #loop: Loop | undefined;

  constructor(context: JoinedContext) {
    this.#context = context;
  }

  start(): void {
    const { clock, log } = this.#context;
    const onError = (error: unknown): void => log(`joined workers: ${toTidepoolError(error).message}`);
    this.#loop = startLoop({
      name: 'joined',
      clock,
      periodMs: workerHealthEveryMs,
      step: (signal) => this.look(signal),
      onError,
    });
  }

  /** Ends the links; the workers come back to the next server. */
  async stop(): Promise<void> {
    await this.#loop?.stop();
    for (const { tunnel } of this.#links.values()) tunnel.destroy();
    await Promise.all([...this.#links.values()].map(({ tunnel }) => tunnel.closed));
  }

  /** By name. */
  async list(): Promise<JoinedWorker[]> {
    const vms = await this.#context.store.vms.ofPool(joinedPool);
    return vms.map((vm) => ({ vm, isConnected: this.#links.has(vm.name) }));
  }

  /**
   * Whether a worker may come in now. Errors: `invalid`, `conflict` (another worker of this name is connected, or a VM has the
   * name), `unavailable` (an earlier one of this name is still being given up), `exhausted`.
   * @param instance new with each start of the worker's process
   * @param protocol `agentProtocol` of the worker, as text
   */
  async check(worker: string, instance: string, protocol: unknown): Promise<void> {
    if (!workerNamePattern.test(worker))
      throw new TidepoolError('invalid', 'the name of a worker is up to 24 lower-case letters, digits and dashes');
    if (!workerInstancePattern.test(instance))
      throw new TidepoolError('invalid', 'the instance of a worker is 32 hexadecimal digits');
    if (protocol !== String(agentProtocol)) {
      const theirs = protocol === undefined ? 'an older one' : `${protocol}`;
      const text = `the worker speaks protocol ${theirs}, this server ${agentProtocol}; take the same version of Tidepool on both`;
      throw new TidepoolError('invalid', text);
    }
    const link = this.#links.get(joinedVmName(worker));
    if (link !== undefined && link.instance !== instance)
      throw new TidepoolError('conflict', `another worker named ${worker} is connected; choose another name by --name`);
    const vm = await this.#context.store.vms.get(joinedVmName(worker));
    if (vm === undefined) {
      const count = Math.max(this.#links.size, (await this.list()).length);
      if (count < maxWorkers) return;
      throw new TidepoolError('exhausted', `${maxWorkers} workers have joined already`);
    }
    if (vm.pool !== joinedPool) throw new TidepoolError('conflict', `there is a VM named ${vm.name}`);
    if (vm.keyId === instance && alive.includes(vm.state)) return;
    // An earlier process of this name may be another machine, and still run its jobs until its work lease is over.
    if (await this.#remove(vm)) return;
    await this.#away(vm.name);
    const text = `the worker ${worker} was here before, and its jobs may still run; it may join again when their time is over`;
    throw new TidepoolError('unavailable', `${text}, within ${Math.ceil(maxAwayMs / 1_000)} s`);
  }

  /**
   * Takes in a worker that `check` let through. Resolves when its agent has answered and it takes jobs. Errors: those of
   * AgentLink.health, and then the link is ended.
   * @param socket its connection, after the handshake
   * @param tokenHash of the token with which it joins
   */
  async join(worker: string, instance: string, socket: Duplex, tokenHash = ''): Promise<void> {
    const { tunnels, link, clock, store } = this.#context;
    const name = joinedVmName(worker);
    const tunnel = tunnels.open(instance, socket);
    const own: Link = { instance, tokenHash, tunnel, silence: new Silence({ pauseMs: workerHealthEveryMs }) };
    this.#links.set(name, own);
    void tunnel.closed.then(() => this.#ended(name, own));
    try {
      const health = await link.health(addressOf(instance));
      const vm = newVm(name, instance, clock.now());
      if ((await store.vms.get(name)) === undefined) {
        await store.vms.insert(vm);
        await this.#tell('vm.launched', name, `worker ${worker} has joined`);
      }
      this.#awaySinceMs.delete(name);
      await this.#update(name, health);
    } catch (error) {
      tunnel.destroy();
      throw error;
    }
  }

  /**
   * Gives a worker no more jobs, and dismisses it when those that run have ended; `atOnce`: now, and they are started again
   * elsewhere. Errors: `not_found`, `forbidden`.
   * @param byToken hash of a worker's token, which may remove no worker but its own
   */
  async remove(worker: string, atOnce: boolean, byToken?: string): Promise<void> {
    const { store, clock, changes } = this.#context;
    const name = joinedVmName(worker);
    const vm = await store.vms.get(name);
    if (vm?.pool !== joinedPool) throw new TidepoolError('not_found', `there is no worker ${worker}`);
    if (byToken !== undefined && this.#links.get(name)?.tokenHash !== byToken) {
      throw new TidepoolError('forbidden', `the worker ${worker} has not joined by this token; ask an administrator`);
    }
    if (atOnce) await this.#endAtOnce(vm);
    const facts = { isUnwanted: true };
    const draining = { state: 'draining', reason: 'it is to leave', nowMs: clock.now(), facts } as const;
    if (await store.vms.move(name, ['booting', 'ready', 'away'], draining)) {
      await this.#tell('vm.draining', name, `worker ${worker} takes no more jobs`);
    }
    changes.notify('vms');
    const left = await store.vms.get(name);
    if (left !== undefined) await this.#lookAt(left);
  }

  /**
   * Looks at all of them: who answers, who is away for too long, who may go. Many workers are asked in groups, one after the
   * other, because all of their answers at once would make a long turn.
   */
  async look(signal?: AbortSignal): Promise<void> {
    const vms = await this.#context.store.vms.ofPool(joinedPool);
    const names = new Set(vms.map(({ name }) => name));
    for (const name of this.#awaySinceMs.keys()) if (!names.has(name)) this.#awaySinceMs.delete(name);
    const looks: Promise<PromiseSettledResult<void>[]>[] = [];
    const pauseMs = (spreadMs * askedAtOnce) / vms.length;
    try {
      for (let at = 0; at < vms.length; at += askedAtOnce) {
        if (at > 0) await this.#context.clock.sleep(pauseMs, signal);
        looks.push(Promise.allSettled(vms.slice(at, at + askedAtOnce).map((vm) => this.#lookAt(vm))));
      }
    } finally {
      // No look outlasts the step, also when another one fails or the loop is stopped.
      await Promise.all(looks);
    }
    const failed = (await Promise.all(looks)).flat().find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }

  async #lookAt(vm: Vm): Promise<void> {
    if (!alive.includes(vm.state)) {
      // An earlier version gave workers up as `failed`.
      if (vm.state === 'failed') await this.#giveUp(vm, vm.reason);
      await this.#remove(vm);
      return;
    }
    const { store, clock, link, log } = this.#context;
    if (vm.state === 'draining') {
      const leaving = { state: 'stopping', reason: 'it has left', nowMs: clock.now() } as const;
      if (await store.vms.moveIfIdle(vm.name, ['draining'], leaving)) {
        await this.#remove(vm);
        return;
      }
    }
    const own = this.#links.get(vm.name);
    if (own === undefined) {
      const awaySinceMs = this.#awaySinceMs.get(vm.name) ?? clock.uptimeMs();
      this.#awaySinceMs.set(vm.name, awaySinceMs);
      if (vm.state !== 'away') await this.#away(vm.name);
      if (clock.uptimeMs() - awaySinceMs >= maxAwayMs) await this.#giveUp(vm, 'its link was lost');
      return;
    }
    const askedAtMs = clock.uptimeMs();
    let health: AgentHealth;
    try {
      health = await link.health(addressOf(own.instance));
    } catch (error) {
      log(`worker ${vm.name} does not answer: ${toTidepoolError(error).message}`);
      // When our own process stood still, all workers seem to be silent at once.
      if (own.silence.missed({ askedAtMs, nowMs: clock.uptimeMs(), limitMs: answerLimitMs })) own.tunnel.destroy();
      return;
    }
    own.silence.answered(clock.uptimeMs());
    if (!isAsBefore(vm, health)) await this.#update(vm.name, health);
  }

  /** Its agent answered. */
  async #update(name: string, health: AgentHealth): Promise<void> {
    const { store, clock, changes } = this.#context;
    const vm = await store.vms.get(name);
    if (vm === undefined) return;
    if (vm.state === 'draining' || isAsBefore(vm, health)) return;
    const ready = { state: 'ready', reason: '', nowMs: clock.now(), facts: factsOf(health) } as const;
    await store.vms.move(name, ['booting', 'ready', 'away'], ready);
    changes.notify('vms');
    changes.notify('queue');
  }

  #ended(name: string, own: Link): void {
    if (this.#links.get(name) !== own) return;
    this.#links.delete(name);
    this.#awaySinceMs.set(name, this.#context.clock.uptimeMs());
    this.#away(name).catch((error: unknown) => this.#context.log(`worker ${name}: ${toTidepoolError(error).message}`));
  }

  /** While its link is gone it gets no jobs. */
  async #away(name: string): Promise<void> {
    const { store, clock, changes } = this.#context;
    const reason = 'its link is gone; it may come back';
    if (await store.vms.move(name, ['booting', 'ready'], { state: 'away', reason, nowMs: clock.now() }))
      changes.notify('vms');
  }

  /** Ends its attempts by its agent, or waits until its work lease is over, which ends them too. */
  async #endAtOnce(vm: Vm): Promise<void> {
    const { link, log } = this.#context;
    const own = this.#links.get(vm.name);
    if (own === undefined) return;
    try {
      const agent = addressOf(own.instance);
      const ids = (await link.attempts(agent)).map(({ id }) => id);
      if (ids.length > 0) await link.remove(agent, ids);
      await this.#giveUp(vm, 'it was removed');
    } catch (error) {
      log(`worker ${vm.name} does not end its attempts; they are waited for: ${toTidepoolError(error).message}`);
      own.tunnel.destroy();
    }
  }

  /** Whoever carries its jobs sees by this that they are lost. */
  async #giveUp(vm: Vm, reason: string): Promise<void> {
    const { store, clock, changes } = this.#context;
    const dead = { state: 'dead', reason, nowMs: clock.now() } as const;
    if (!(await store.vms.move(vm.name, [...alive, 'failed', 'stopping'], dead))) return;
    await this.#tell('vm.failed', vm.name, `worker ${vm.name} was given up: ${reason}`);
    changes.notify(vmTopic(vm.name));
    changes.notify('vms');
    changes.notify('queue');
  }

  /** Ends its link and forgets it, unless one of its jobs is still to be given up. */
  async #remove(vm: Vm): Promise<boolean> {
    const { store, changes } = this.#context;
    if (!(await store.vms.delete(vm.name))) return false;
    const own = this.#links.get(vm.name);
    this.#links.delete(vm.name);
    this.#awaySinceMs.delete(vm.name);
    own?.tunnel.dismiss();
    await this.#tell('vm.removed', vm.name, `worker ${vm.name} is gone`);
    changes.notify('vms');
    return true;
  }

  async #tell(name: EventName, vm: string, text: string): Promise<void> {
    await writeEvent(this.#context, { name, pool: joinedPool, vm, text, data: {} });
  }
}

function isAsBefore(vm: Vm, health: AgentHealth): boolean {
  return vm.state === 'ready' && areSameFacts(vm, factsOf(health));
}

function addressOf(instance: string): AgentAddress {
  return { host: joinedHost, port: 0, keyId: instance, key: new Uint8Array(0), workLeaseMs };
}

function newVm(name: string, instance: string, nowMs: number): Vm {
  const { host, port, keyId, key } = addressOf(instance);
  return {
    ...{ name, pool: joinedPool, state: 'booting', reason: '', stateSinceMs: nowMs, createdAtMs: nowMs },
    ...{ imageId: '', flavor: '', keyId, key, host, port, capacity: null, runtimes: [], isUnwanted: false },
    ...{ protocol: null, isStanding: false },
  };
}
