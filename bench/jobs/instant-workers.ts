import type { AgentLink } from '../../src/domain/agent-link.ts';
import { TidepoolError } from '../../src/domain/errors.ts';
import type { AttemptReport } from '../../src/protocol/agent.ts';

/** Workers on which every attempt succeeds at once, without output or files: what is left is the job queue. */
export function instantWorkers(): AgentLink {
  return {
    run: (_agent, { id }) => noOutput(id),
    report: async (_agent, id) => ended(id),
    output: (_agent, id) => noOutput(id),
    files: async () => undefined,
    remove: async () => undefined,
    attempts: async () => [],
    stop: async (_agent, id) => ended(id),
    setClock: () => none('clock'),
    close: async () => undefined,
    health: () => none('health'),
  };
}

// biome-ignore lint/correctness/useYield: the workers have nothing to say
async function* noOutput(id: string): AsyncGenerator<Uint8Array, AttemptReport> {
  return ended(id);
}

async function none(what: string): Promise<never> {
  throw new TidepoolError('unavailable', `these workers have no ${what}`);
}

function ended(id: string): AttemptReport {
  return {
    id,
    state: 'ended',
    startedAtMs: 1,
    endedAtMs: 2,
    outcome: 'succeeded',
    fault: null,
    exitCode: 0,
    signal: null,
    syntaxProblem: null,
    message: '',
    wallMs: 1,
    cpuMs: 1,
    peakMemoryBytes: 1,
    outputLogBytes: 0,
    outputTruncated: false,
    producedFiles: 0,
    limitsHit: [],
  };
}
