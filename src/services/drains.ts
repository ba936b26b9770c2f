import type { Vm } from '../domain/vm.ts';
import type { Lane } from './lane.ts';

/** VMs on which, since they drain, the front door has seen no request left and lets none in. */
export class Drains {
  #over = new Map<string, number>();

  /**
   * Takes in what was seen after the front door was told of these VMs. Says whether a drain has come to its end.
   * @param lanesOf a VM's lanes; undefined where they are not known
   */
  note(vms: readonly Vm[], lanesOf: (vm: Vm) => readonly Lane[] | undefined): boolean {
    const over = new Map<string, number>();
    for (const vm of vms) {
      if (vm.state !== 'draining') continue;
      const isOver = lanesOf(vm)?.every((lane) => lane.state === 'draining' && lane.traffic === 'closed') === true;
      if (isOver) over.set(vm.name, vm.stateSinceMs);
    }
    const hasNew = [...over].some(([name, sinceMs]) => this.#over.get(name) !== sinceMs);
    this.#over = over;
    return hasNew;
  }

  isOver(vm: Pick<Vm, 'name' | 'stateSinceMs'>): boolean {
    return this.#over.get(vm.name) === vm.stateSinceMs;
  }
}
