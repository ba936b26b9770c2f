import type { AgentHealth } from '../protocol/agent.ts';
import type { Vm } from './vm.ts';

/** Facts that an agent reports of its machine, and that the row of a VM keeps. */
export type AgentFacts = Pick<Vm, 'capacity' | 'protocol' | 'runtimes'>;

/** Returns what is kept of an agent's answer. */
export function factsOf({ capacity, protocol, runtimes }: AgentHealth): AgentFacts {
  return { capacity, protocol, runtimes };
}

/** Whether both say the same. A slot that was set aside, or that can be used again, is a difference. */
export function areSameFacts(a: AgentFacts, b: AgentFacts): boolean {
  return textOf(a) === textOf(b);
}

function textOf({ capacity, protocol, runtimes }: AgentFacts): string {
  const { cpus, memoryBytes, diskBytes, slots } = capacity ?? {};
  return JSON.stringify([cpus, memoryBytes, diskBytes, slots, protocol, runtimes]);
}
