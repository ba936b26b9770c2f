import { Agent } from 'node:https';
import type { AgentAddress } from '../domain/agent-link.ts';
import { agentTlsCiphers } from '../protocol/agent.ts';

/** Each followed attempt holds two connections of a VM. */
const maxSocketsPerVm = 512;
const maxIdleSocketsPerVm = 4;
/** Shorter than the agent's own limit, so that we never send on a connection that it is closing. */
const idleSocketMs = 60_000;
const tcpKeepAliveMs = 15_000;

/** Connections to one VM's agent, kept open between calls so that not each pays for a handshake. */
export function pskAgent(address: AgentAddress): Agent {
  const psk = Buffer.from(address.key);
  const tls = {
    pskCallback: () => ({ psk, identity: address.keyId }),
    ciphers: agentTlsCiphers,
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.2',
    // There is no certificate to check: only who has the same key can finish the handshake.
    checkServerIdentity: () => undefined,
  } as const;
  return new Agent({
    keepAlive: true,
    keepAliveMsecs: tcpKeepAliveMs,
    maxSockets: maxSocketsPerVm,
    maxFreeSockets: maxIdleSocketsPerVm,
    timeout: idleSocketMs,
    ...tls,
  });
}
