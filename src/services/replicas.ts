import type { Service } from '../domain/service.ts';
import type { Vm } from '../domain/vm.ts';
import type { OwnTrouble } from '../reconcile/own-trouble.ts';
import type { ServiceContext } from './context.ts';
import { Replica } from './replica.ts';

interface Held {
  readonly replica: Replica;
  readonly vmCreatedAtMs: number;
}

/** The replicas of all services, one for each VM that can be reached. */
export class Replicas {
  readonly #context: ServiceContext;
  readonly #onChange: () => void;
  readonly #onTrouble: (service: Service, vm: Vm, trouble: OwnTrouble | undefined) => void;
  readonly #all = new Map<string, Held>();
  readonly #closing = new Set<Promise<void>>();

  /** @param onTrouble something of ours keeps a VM from getting a revision; undefined: not any more */
  constructor(
    context: ServiceContext,
    onChange: () => void,
    onTrouble: (service: Service, vm: Vm, trouble: OwnTrouble | undefined) => void,
  ) {
    this.#context = context;
    this.#onTrouble = onTrouble;
    this.#onChange = onChange;
  }

  get(vm: string): Replica | undefined {
    return this.#all.get(vm)?.replica;
  }

  /** Makes them those of these VMs, and lets go of all others. */
  sync(wanted: readonly { readonly service: Service; readonly vm: Vm }[]): void {
    for (const [name, { vmCreatedAtMs, replica }] of this.#all) {
      if (wanted.some(({ vm }) => vm.name === name && vm.createdAtMs === vmCreatedAtMs)) continue;
      this.#all.delete(name);
      this.#close(replica);
    }
    for (const { service, vm } of wanted) {
      const { name, host, port, keyId, key } = vm;
      if (this.#all.has(name) || host === null || port === null) continue;
      const agent = { host, port, keyId, key };
      const replica = new Replica(this.#context, {
        ...{ service, vm: name, agent, onChange: this.#onChange },
        onTrouble: (trouble) => this.#onTrouble(service, vm, trouble),
      });
      this.#all.set(name, { replica, vmCreatedAtMs: vm.createdAtMs });
    }
  }

  /** Lets go of all; resolves when nothing of them is under way. */
  async close(): Promise<void> {
    this.sync([]);
    await Promise.all(this.#closing);
  }

  #close(replica: Replica): void {
    const closed = replica.close().finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
  }
}
