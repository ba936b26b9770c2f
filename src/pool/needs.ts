import type { Vm } from '../domain/vm.ts';

/** Runtimes that are remembered as waited for. */
const mostRemembered = 100;

type NeedyVm = Pick<Vm, 'name' | 'state' | 'createdAtMs' | 'runtimes'> & { readonly jobs: number };

/**
 * Which runtimes with requirements on top the VMs of a pool need. Such a runtime makes no VM outdated when it is built, or one
 * user's file would replace all VMs. Only when a job waits for it, no VM in service has it and none is on its way, one VM
 * is marked: another takes its place, with the runtime. The idlest is marked, and none beside one that is still in service.
 */
export class RuntimeNeeds {
  /** The one that was waited for last at the end. */
  readonly #lately = new Set<string>();
  /** VMs that are to be replaced, with their times of creation. */
  readonly #marked = new Map<string, number>();

  /**
   * Takes note of what is there and what is waited for.
   * @param awaited runtimes that are built and that queued jobs wait for, since no VM in service has them
   * @param isShort whether a VM is launched anyway
   */
  look(vms: readonly NeedyVm[], awaited: readonly string[], isShort: boolean): void {
    for (const runtime of awaited) this.#remember(runtime);
    for (const [name, createdAtMs] of this.#marked) {
      if (!vms.some((vm) => vm.name === name && vm.createdAtMs === createdAtMs)) this.#marked.delete(name);
    }
    const inService = vms.filter(({ state }) => state === 'ready');
    const missing = awaited.filter((runtime) => !inService.some(({ runtimes }) => runtimes.includes(runtime)));
    const isComing = vms.some(({ state }) => state === 'creating' || state === 'booting');
    if (missing.length === 0 || isComing || isShort || inService.some((vm) => this.isMarked(vm))) return;
    const [idlest] = inService.toSorted((a, b) => a.jobs - b.jobs || a.name.localeCompare(b.name));
    if (idlest !== undefined) this.#marked.set(idlest.name, idlest.createdAtMs);
  }

  /** Whether another is to take this VM's place for the sake of a runtime. */
  isMarked({ name, createdAtMs }: Pick<Vm, 'name' | 'createdAtMs'>): boolean {
    return this.#marked.get(name) === createdAtMs;
  }

  /** What a new VM should have, the most wanted first: what was waited for last. */
  get preferred(): string[] {
    return [...this.#lately].reverse();
  }

  #remember(runtime: string): void {
    this.#lately.delete(runtime);
    this.#lately.add(runtime);
    for (const oldest of this.#lately) {
      if (this.#lately.size <= mostRemembered) return;
      this.#lately.delete(oldest);
    }
  }
}
