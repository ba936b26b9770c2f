import type { Service } from '../domain/service.ts';
import { emit, type ServiceContext } from './context.ts';
import type { SeenVm } from './observe.ts';

/** What went wrong last with a service, for whoever asks what is the matter with it. */
export interface ServiceFailure {
  readonly atMs: number;
  readonly vm: string;
  readonly revision: number;
  readonly message: string;
  /** As Python printed it; '' when there is none. */
  readonly traceback: string;
}

/** Failures of what serves, told of once each. (That of a revision which is being rolled out is its end.) */
export class Failures {
  readonly #last = new Map<string, ServiceFailure>();
  /** What has been told: since when which revision has failed, by VM. */
  readonly #told = new Map<string, string>();

  last(service: string): ServiceFailure | undefined {
    return this.#last.get(service);
  }

  /** Takes in what the VMs of a service hold. */
  async note(context: ServiceContext, service: Service, seen: readonly SeenVm[]): Promise<void> {
    for (const { vm, held } of seen) {
      const failed = held.find((one) => one.number === service.current && one.state === 'failed');
      if (failed === undefined) continue;
      const mark = `${failed.number} ${failed.stateSinceMs}`;
      if (this.#told.get(vm.name) === mark) continue;
      this.#told.set(vm.name, mark);
      const { number: revision, message, traceback, stateSinceMs: atMs } = failed;
      this.#last.set(service.name, { atMs, vm: vm.name, revision, message, traceback });
      const text = `revision ${revision} failed on ${vm.name} and is started again: ${message}`;
      await emit(context, 'service.failed', service.name, text, { vm: vm.name, revision, message });
    }
  }

  /** Forgets what is gone. */
  sweep(services: readonly Service[], vms: readonly { readonly name: string }[]): void {
    for (const name of this.#last.keys()) if (!services.some((one) => one.name === name)) this.#last.delete(name);
    for (const name of this.#told.keys()) if (!vms.some((one) => one.name === name)) this.#told.delete(name);
  }
}
