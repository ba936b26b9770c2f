import type { Agent } from 'node:https';
import type { AgentAddress } from '../domain/agent-link.ts';
import { TidepoolError } from '../domain/errors.ts';
import { joinedHost } from '../domain/worker.ts';
import { pskAgent } from './psk-agent.ts';
import type { Tunnels } from './tunnel.ts';

/** More VMs than this are not remembered at a time; the longest unused ones are dropped. */
const maxRemembered = 4_096;

/** The kept connections, by VM. A port that now belongs to another VM (another key) gets fresh ones. */
export class Connections {
  readonly #agents = new Map<string, Agent>();
  readonly #tunnels: Tunnels | undefined;

  /** @param tunnels for workers that are not dialled */
  constructor(tunnels?: Tunnels) {
    this.#tunnels = tunnels;
  }

  of(address: AgentAddress): Agent {
    const key = Buffer.from(address.key).toString('base64');
    const name = `${address.host}:${address.port}:${address.keyId}:${key}`;
    const agent = this.#agents.get(name) ?? this.#make(address);
    this.#agents.delete(name);
    this.#agents.set(name, agent);
    this.#dropOldest();
    return agent;
  }

  #make(address: AgentAddress): Agent {
    if (address.host !== joinedHost) return pskAgent(address);
    if (this.#tunnels === undefined) throw new TidepoolError('internal', 'no worker joins here');
    return this.#tunnels.agent(address.keyId);
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  #dropOldest(): void {
    const oldest = this.#agents.keys().next().value;
    if (this.#agents.size <= maxRemembered || oldest === undefined) return;
    // Not destroyed: calls on it may be under way. Its idle connections end by their time-out.
    this.#agents.delete(oldest);
  }
}
