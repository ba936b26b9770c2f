import type { IncomingMessage } from 'node:http';
import type { Agent } from 'node:https';
import type { AgentAddress } from '../domain/agent-link.ts';
import { uptimeHeader, workUntilHeader } from '../protocol/agent.ts';

/** The uptime in the last answer of each agent, by its connections, which are kept for as long as it is the same agent. */
const lastUptimeMs = new WeakMap<Agent, number>();

/** Notes when, by its own uptime, an agent answered. */
export function noteAnswer(agent: Agent, response: IncomingMessage): void {
  const told = response.headers[uptimeHeader];
  const uptimeMs = typeof told === 'string' && /^\d{1,15}$/.test(told) ? Number(told) : undefined;
  if (uptimeMs !== undefined) lastUptimeMs.set(agent, uptimeMs);
}

/**
 * The headers that allow an agent to run attempts for a while longer. A permission counts from an answer that we have got: if
 * it counted from the request, an agent whose answers are lost could go on for ever, while its jobs are started elsewhere.
 */
export function permission(agent: Agent, { workLeaseMs }: AgentAddress): Readonly<Record<string, string>> {
  const uptimeMs = lastUptimeMs.get(agent);
  if (workLeaseMs === undefined || uptimeMs === undefined) return {};
  return { [workUntilHeader]: String(uptimeMs + workLeaseMs) };
}
