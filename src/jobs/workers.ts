import type { Holding, QueuedJob, WorkerShape } from '../domain/queue.ts';
import { type Vm, vmCan } from '../domain/vm.ts';
import { agentProtocol } from '../protocol/agent.ts';
import { heldBy } from './resources.ts';
import { type Held, overheadMs, type Worker } from './room.ts';

/** What a VM was at the last look, and the worker that was made of it. */
interface Kept {
  readonly vm: Vm;
  readonly held: readonly Holding[] | undefined;
  readonly excluded: ReadonlySet<string> | undefined;
  /** Undefined when it may not be given work. */
  readonly worker: Worker | undefined;
  /** Number of the last look that found the VM. */
  look: number;
}

/** What is different from one step to the next. */
export interface WorkerChanges {
  /** New ones, and those of which anything is different. */
  readonly changed: readonly Worker[];
  /** Names of VMs that may not be given work any more. */
  readonly gone: readonly string[];
}

/**
 * The VMs that may be given work, each with what its present jobs hold, kept from one scheduling step to the next: of 10,000
 * workers a few have changed. VMs and lists of holdings are compared by identity, since the store makes new ones for what
 * has changed alone. Pure but for what it keeps.
 */
export class KeptWorkers {
  readonly #kept = new Map<string, Kept>();
  readonly #changed = new Set<string>();
  readonly #shapes = new Map<string, { readonly shape: WorkerShape; count: number }>();
  #looks = 0;
  #hasExcluded = false;

  /** The shapes of all workers, each once. */
  get shapes(): WorkerShape[] {
    return [...this.#shapes.values()].map(({ shape }) => shape);
  }

  /** Takes over what has changed. @param vms all that there are @param heldOn what jobs hold, by the names of VMs */
  look(vms: readonly Vm[], heldOn: ReadonlyMap<string, readonly Holding[]>): void {
    this.#looks += 1;
    for (const vm of vms) {
      const kept = this.#kept.get(vm.name);
      const held = heldOn.get(vm.name);
      if (kept !== undefined && kept.vm === vm && kept.held === held) kept.look = this.#looks;
      else this.#keep(vm, held, kept?.excluded);
    }
    if (this.#kept.size === vms.length) return;
    for (const [name, { look }] of this.#kept) if (look !== this.#looks) this.#drop(name);
  }

  /** Takes over which of these jobs exclude which workers. @param queued jobs that may be given out */
  exclude(queued: Iterable<Pick<QueuedJob, 'id' | 'excluded'>>): void {
    const excludedOn = new Map<string, Set<string>>();
    for (const { id, excluded = [] } of queued) {
      for (const keyId of excluded) excludedOn.set(keyId, (excludedOn.get(keyId) ?? new Set()).add(id));
    }
    if (excludedOn.size === 0 && !this.#hasExcluded) return;
    this.#hasExcluded = excludedOn.size > 0;
    for (const { vm, held, excluded } of this.#kept.values()) {
      const now = excludedOn.get(vm.keyId);
      if (!areSame(excluded, now)) this.#keep(vm, held, now);
    }
  }

  /** Returns what has changed since the last call. */
  takeChanges(): WorkerChanges {
    const names = [...this.#changed];
    this.#changed.clear();
    const workers = names.map((name) => this.#kept.get(name)?.worker);
    return {
      changed: workers.filter((worker) => worker !== undefined),
      gone: names.filter((_, i) => workers[i] === undefined),
    };
  }

  #keep(vm: Vm, held: readonly Holding[] | undefined, excluded: ReadonlySet<string> | undefined): void {
    this.#drop(vm.name);
    const worker = workerOf(vm, held ?? [], excluded);
    this.#kept.set(vm.name, { vm, held, excluded, worker, look: this.#looks });
    if (worker !== undefined) this.#count(worker, 1);
  }

  #drop(name: string): void {
    const kept = this.#kept.get(name);
    this.#kept.delete(name);
    this.#changed.add(name);
    if (kept?.worker !== undefined) this.#count(kept.worker, -1);
  }

  #count({ runtimes, cpus, memoryBytes, diskBytes }: Worker, change: number): void {
    const shape: WorkerShape = { runtimes, cpus, memoryBytes, diskBytes };
    const key = JSON.stringify(shape);
    const counted = this.#shapes.get(key) ?? { shape, count: 0 };
    counted.count += change;
    if (counted.count === 0) this.#shapes.delete(key);
    else this.#shapes.set(key, counted);
  }
}

/** The worker that a VM is; undefined when it may not be given work. Pure. */
function workerOf(
  { name, state, capacity, protocol, runtimes, isStanding }: Vm,
  holdings: readonly Holding[],
  excluded: ReadonlySet<string> | undefined,
): Worker | undefined {
  // One of another version would take what it is sent for something else; its pool replaces it.
  if (!vmCan(state, 'dispatch') || isStanding || capacity === null || protocol !== agentProtocol) return undefined;
  const held = holdings.map(
    (holding): Held => ({ ...heldBy(holding), untilMs: holding.assignedAtMs + holding.timeoutMs + overheadMs }),
  );
  const worker = { ...capacity, name, runtimes, held };
  return excluded === undefined ? worker : { ...worker, excluded };
}

function areSame(a: ReadonlySet<string> | undefined, b: ReadonlySet<string> | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.size === b.size && [...a].every((id) => b.has(id));
}
