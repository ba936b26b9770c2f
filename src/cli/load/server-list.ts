import type { Address } from '../../loadgen/lane.ts';
import type { ServerAddress } from '../../loadgen/server.ts';

/** Where requests go: the servers that the cloud lists, changed by hand in the console. */
export class ServerList {
  readonly #listed = new Map<string, ServerAddress>();
  readonly #byHand = new Map<string, ServerAddress>();
  readonly #hidden = new Set<string>();

  get all(): ServerAddress[] {
    const shown = [...this.#listed].filter(([key]) => !this.#hidden.has(key)).map(([, server]) => server);
    const others = [...this.#byHand].filter(([key]) => !this.#listed.has(key)).map(([, server]) => server);
    return [...shown, ...others];
  }

  /** The cloud has exactly these. What was changed by hand stays so. */
  list(servers: readonly ServerAddress[]): void {
    this.#listed.clear();
    for (const server of servers) this.listAlso(server);
  }

  /** The cloud has this one too. */
  listAlso(server: ServerAddress): void {
    this.#listed.set(keyOf(server), server);
  }

  /** The cloud no longer has this one. */
  unlist(address: Address): void {
    this.#listed.delete(keyOf(address));
    this.#hidden.delete(keyOf(address));
  }

  /** False when it is there already. */
  add({ host, port }: Address): boolean {
    const key = keyOf({ host, port });
    if (this.#has(key)) return false;
    this.#hidden.delete(key);
    this.#byHand.set(key, { name: key, host, port });
    return true;
  }

  /** False when it is not there. */
  remove(address: Address): boolean {
    const key = keyOf(address);
    if (!this.#has(key)) return false;
    this.#byHand.delete(key);
    if (this.#listed.has(key)) this.#hidden.add(key);
    return true;
  }

  /** None, until the cloud has new ones. */
  clear(): void {
    this.#byHand.clear();
    for (const key of this.#listed.keys()) this.#hidden.add(key);
  }

  /** Forgets what was changed by hand. */
  reset(): void {
    this.#byHand.clear();
    this.#hidden.clear();
  }

  #has(key: string): boolean {
    return this.#byHand.has(key) || (this.#listed.has(key) && !this.#hidden.has(key));
  }
}

function keyOf({ host, port }: Address): string {
  return `${host}:${port}`;
}
