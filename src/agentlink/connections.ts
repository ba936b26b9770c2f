import type { Agent } from 'node:https';
import type { AgentAddress } from '../domain/agent-link.ts';
import { TidepoolError } from '../domain/errors.ts';
import { joinedHost } from '../domain/worker.ts';
import { pskAgent } from './psk-agent.ts';
import type { Tunnels } from './tunnel.ts';

/**
 * The kept connections, by VM. A port that now belongs to another VM (another key) gets fresh ones. They are kept for as long
 * as the VM is there, however many there are: an agent that is dropped too early costs a handshake for each call.
 */
export class Connections {
  readonly #agents = new Map<string, { readonly keyId: string; readonly agent: Agent }>();
  /** Key ids that the last look found to belong to no VM. */
  #absent = new Set<string>();
  readonly #tunnels: Tunnels | undefined;

  /** @param tunnels for workers that are not dialled */
  constructor(tunnels?: Tunnels) {
    this.#tunnels = tunnels;
  }

  of(address: AgentAddress): Agent {
    const key = Buffer.from(address.key).toString('base64');
    const name = `${address.host}:${address.port}:${address.keyId}:${key}`;
    const known = this.#agents.get(name);
    if (known !== undefined) return known.agent;
    const agent = this.#make(address);
    this.#agents.set(name, { keyId: address.keyId, agent });
    return agent;
  }

  /**
   * Ends the connections to VMs that are gone: those that are missing at two looks in a row, since a VM may be asked before it
   * is seen.
   * @param keyIds those of all VMs that are there
   */
  keepOnly(keyIds: ReadonlySet<string>): void {
    const absent = new Set<string>();
    for (const [name, { keyId, agent }] of this.#agents) {
      if (keyIds.has(keyId)) continue;
      absent.add(keyId);
      if (!this.#absent.has(keyId)) continue;
      agent.destroy();
      this.#agents.delete(name);
    }
    this.#absent = absent;
  }

  #make(address: AgentAddress): Agent {
    if (address.host !== joinedHost) return pskAgent(address);
    if (this.#tunnels === undefined) throw new TidepoolError('internal', 'no worker joins here');
    return this.#tunnels.agent(address.keyId);
  }

  close(): void {
    for (const { agent } of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }
}
