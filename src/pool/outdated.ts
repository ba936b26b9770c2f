import type { Vm } from '../domain/vm.ts';
import { agentProtocol } from '../protocol/agent.ts';

/** What new VMs of a pool are made of. */
export interface UpToDate {
  readonly imageId: string;
  lacksRuntime(vm: Vm): boolean;
  /** Whether another is to take its place for the sake of a runtime that a job waits for. */
  isMarked(vm: Vm): boolean;
}

/** Why another should take the place of a VM; undefined when it is as new ones are, or has not answered yet. Pure. */
export function outdatedBecause(vm: Vm, { imageId, lacksRuntime, isMarked }: UpToDate): string | undefined {
  if (vm.capacity === null) return undefined;
  if (vm.protocol !== agentProtocol) return 'its agent is of another version of Tidepool';
  if (vm.imageId !== imageId) return 'its image is not that of new VMs';
  if (lacksRuntime(vm)) return 'it lacks a runtime that new VMs have';
  return isMarked(vm) ? 'a job waits for a runtime that it lacks' : undefined;
}
