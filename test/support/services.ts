import { randomUUID } from 'node:crypto';
import type { AgentAddress } from '../../src/domain/agent-link.ts';
import type { ServiceLink } from '../../src/domain/service-link.ts';
import type { ServiceReport, ServiceSpec, StoreAnswer, StoreRequest } from '../../src/protocol/agent-service.ts';
import { FrameDecoder } from '../../src/protocol/output-frames.ts';
import { textFiles } from './attempts.ts';

const MiB = 1024 * 1024;

/** A handler in `app.py` over HTTP; each has a name of its own. */
export function serviceSpec(fields: Partial<ServiceSpec> = {}): ServiceSpec {
  const service = fields.service ?? `test-${randomUUID().slice(0, 8)}`;
  return {
    id: `${service}-1`,
    service,
    protocol: 'http',
    port: 8000,
    runtime: 'python',
    entry: { kind: 'handler', file: 'app.py' },
    environment: {},
    processes: 1,
    requestTimeoutMs: 10_000,
    maxBodyBytes: MiB,
    ...fields,
  };
}

/** The same revision's successor, on the other port. */
export function nextRevision(spec: ServiceSpec, fields: Partial<ServiceSpec> = {}): ServiceSpec {
  return { ...spec, id: `${spec.service}-2`, port: 8001, ...fields };
}

/** Starts a service whose handler is this source, and waits until it is no longer starting. */
export async function startService(
  link: ServiceLink,
  agent: AgentAddress,
  spec: ServiceSpec,
  source = '',
  others: Readonly<Record<string, string>> = {},
): Promise<ServiceReport> {
  await link.startService(agent, spec, textFiles({ 'app.py': source, ...others }));
  return untilStarted(link, agent, spec.id);
}

export async function untilStarted(link: ServiceLink, agent: AgentAddress, id: string): Promise<ServiceReport> {
  for (;;) {
    const report = await link.serviceReport(agent, id, 30_000);
    if (report.state !== 'starting') return report;
  }
}

/** What is kept of a service's stdout and stderr, and the agent's notices. */
export async function serviceTexts(link: ServiceLink, agent: AgentAddress, id: string) {
  const { bytes } = await link.serviceOutput(agent, id, 0);
  const texts = { stdout: '', stderr: '', notice: '' };
  for (const { stream, data } of new FrameDecoder().push(bytes)) texts[stream] += Buffer.from(data).toString();
  return texts;
}

/** A store in memory, to be handed to `serveStore`. */
export function memoryStore() {
  const values = new Map<string, string>();
  const seen: StoreRequest[] = [];
  const answerOne = (request: StoreRequest): StoreAnswer => {
    const { id, op, key } = request;
    if (op === 'put' || (op === 'add' && !values.has(key))) values.set(key, request.value);
    if (op === 'delete') values.delete(key);
    return { id, value: values.get(key) ?? null, error: '' };
  };
  const answer = async (requests: readonly StoreRequest[]): Promise<StoreAnswer[]> => {
    seen.push(...requests);
    return requests.map(answerOne);
  };
  return { answer, seen, values };
}
