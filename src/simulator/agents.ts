import type { AgentAddress } from '../domain/agent-link.ts';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { PoolLink } from '../pool/context.ts';
import { type AgentHealth, agentProtocol } from '../protocol/agent.ts';

const health: AgentHealth = {
  hostname: 'simulated',
  version: 'simulated',
  protocol: agentProtocol,
  bootId: 'simulated',
  uptimeMs: 0,
  clockMs: 0,
  runtimes: [],
  capacity: { cpus: 1, memoryBytes: 1, diskBytes: 1, slots: 1 },
  runningAttempts: 0,
  isWarmingUp: false,
};

/** Agents that do nothing but come up: who asks one before is answered when it has. */
export class SimulatedAgents implements PoolLink {
  readonly #clock: Clock;
  /** By key id: when it is up. */
  readonly #upAtMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  boot(keyId: string, upAtMs: number): void {
    this.#upAtMs.set(keyId, upAtMs);
  }

  end(keyId: string): void {
    this.#upAtMs.delete(keyId);
  }

  async health({ keyId }: AgentAddress, signal?: AbortSignal, onContact?: () => void): Promise<AgentHealth> {
    const leftMs = (this.#upAtMs.get(keyId) ?? Number.NaN) - this.#clock.now();
    if (leftMs > 0) {
      onContact?.();
      await this.#clock.sleep(leftMs, signal);
    }
    if (!this.#upAtMs.has(keyId)) throw new TidepoolError('unavailable', 'the machine is gone');
    return health;
  }

  setClock(agent: AgentAddress, _clock: Clock, signal?: AbortSignal): Promise<AgentHealth> {
    return this.health(agent, signal);
  }
}
