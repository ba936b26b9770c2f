import { emit, type ServiceContext } from './context.ts';

/** Trouble of ours that lasts for this long is worth an alert. */
const lastsMs = 5_000;

interface Trouble {
  readonly service: string;
  readonly message: string;
  readonly sinceMs: number;
}

/**
 * What of ours keeps VMs from getting a revision, e.g. a blob that cannot be read. It is no failure of the revision, and the
 * fault of no VM. One alert for each service while it lasts.
 */
export class OwnTroubles {
  readonly #byVm = new Map<string, Trouble>();
  /** Services of which an alert was raised. */
  readonly #raised = new Set<string>();

  failed(service: string, vm: string, message: string, uptimeMs: number): void {
    this.#byVm.set(vm, { service, message, sinceMs: this.#byVm.get(vm)?.sinceMs ?? uptimeMs });
  }

  recovered(vm: string): void {
    this.#byVm.delete(vm);
  }

  /** What a service waits for; undefined when it does not. */
  of(service: string): string | undefined {
    const trouble = this.#of(service);
    return trouble === undefined ? undefined : `it waits for the server: ${trouble.message}`;
  }

  /** Raises or clears the alert of a service, as is due. */
  async tell(context: ServiceContext, service: string): Promise<void> {
    const trouble = this.#of(service);
    if (trouble === undefined) return this.#clear(context, service);
    if (this.#raised.has(service) || context.clock.uptimeMs() - trouble.sinceMs < lastsMs) return;
    this.#raised.add(service);
    const text = `VMs wait for something of ours: ${trouble.message}; no revision fails by it, and they go on when it is well again`;
    await emit(context, 'alert.raised', service, text, { error: trouble.message });
  }

  /** Forgets VMs and services that are gone. */
  async sweep(
    context: ServiceContext,
    services: readonly { readonly name: string }[],
    vms: readonly { readonly name: string }[],
  ): Promise<void> {
    for (const name of this.#byVm.keys()) if (!vms.some((vm) => vm.name === name)) this.#byVm.delete(name);
    for (const name of this.#raised) if (!services.some((one) => one.name === name)) await this.#clear(context, name);
  }

  async #clear(context: ServiceContext, service: string): Promise<void> {
    if (this.#raised.delete(service)) await emit(context, 'alert.cleared', service, 'its VMs go on');
  }

  /** The oldest of a service. */
  #of(service: string): Trouble | undefined {
    return [...this.#byVm.values()].find((one) => one.service === service);
  }
}
