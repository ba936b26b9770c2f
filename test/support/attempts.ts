import { randomUUID } from 'node:crypto';
import type { AgentAddress, AgentLink, AttemptOutput } from '../../src/domain/agent-link.ts';
import type { AttemptReport, AttemptSpec } from '../../src/protocol/agent.ts';
import type { FileEntry } from '../../src/protocol/file-stream.ts';
import { FrameDecoder, type OutputStream } from '../../src/protocol/output-frames.ts';

const MiB = 1024 * 1024;

/** A spec with room for anything ordinary, run as `x.py`. Each has an id of its own. */
export function attemptSpec(
  fields: Partial<Omit<AttemptSpec, 'limits'>> & { limits?: Partial<AttemptSpec['limits']> } = {},
): AttemptSpec {
  const { limits, ...rest } = fields;
  return {
    id: `test-${randomUUID()}`,
    runtime: 'python',
    entrypoint: 'x.py',
    args: [],
    environment: {},
    network: false,
    image: null,
    ...rest,
    limits: {
      cpus: 1,
      memoryBytes: 128 * MiB,
      processes: 32,
      diskBytes: 64 * MiB,
      outputBytes: MiB,
      timeoutMs: 180_000,
      ...limits,
    },
  };
}

/** Files of a working folder from their contents. */
export function textFiles(files: Readonly<Record<string, string | Uint8Array>>): FileEntry[] {
  return Object.entries(files).map(([path, text]) => {
    const content = typeof text === 'string' ? Buffer.from(text) : text;
    return { path, size: content.length, content: once(content) };
  });
}

async function* once(content: Uint8Array): AsyncGenerator<Uint8Array> {
  if (content.length > 0) yield content;
}

/** What came of one attempt. */
export interface Result {
  readonly report: AttemptReport;
  readonly stdout: string;
  readonly stderr: string;
  readonly notice: string;
  readonly files: Readonly<Record<string, string>>;
}

/** Starts an attempt and leaves it to itself. @returns its report when it runs, or has ended */
export async function startAttempt(
  link: AgentLink,
  agent: AgentAddress,
  spec: AttemptSpec,
  files: readonly FileEntry[],
): Promise<AttemptReport> {
  const leaving = new AbortController();
  const output = link.run(agent, spec, files, { signal: leaving.signal, onRunning: () => leaving.abort() });
  await readOutput(output).catch((error: unknown) => {
    if (!leaving.signal.aborted) throw error;
  });
  return link.report(agent, spec.id);
}

/** Runs a script to its end, collects all that came of it, and removes it. */
export async function runScript(
  link: AgentLink,
  agent: AgentAddress,
  script: string | Uint8Array,
  spec: AttemptSpec = attemptSpec(),
  others: Readonly<Record<string, string>> = {},
): Promise<Result> {
  await startAttempt(link, agent, spec, textFiles({ [spec.entrypoint]: script, ...others }));
  const result = await collect(link, agent, spec.id);
  await link.remove(agent, [spec.id]);
  return result;
}

/** Follows a started attempt to its end. */
export async function collect(link: AgentLink, agent: AgentAddress, id: string): Promise<Result> {
  const output = await readOutput(link.output(agent, id, 0));
  const report = await readToEnd(link.output(agent, id, 0));
  const files: Record<string, string> = {};
  await link.files(agent, id, async (file) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of file.content) chunks.push(chunk);
    files[file.path] = Buffer.concat(chunks).toString();
  });
  return { report, files, ...output };
}

/** The report that an output ends with. */
export async function readToEnd(output: AttemptOutput): Promise<AttemptReport> {
  for (;;) {
    const { done, value } = await output.next();
    if (done === true) return value;
  }
}

export async function readOutput(chunks: AsyncIterable<Uint8Array>): Promise<Record<OutputStream, string>> {
  const decoder = new FrameDecoder();
  const streams: Record<OutputStream, Buffer[]> = { stdout: [], stderr: [], notice: [] };
  for await (const chunk of chunks) {
    for (const frame of decoder.push(chunk)) streams[frame.stream].push(Buffer.from(frame.data));
  }
  const text = (stream: OutputStream): string => Buffer.concat(streams[stream]).toString();
  return { stdout: text('stdout'), stderr: text('stderr'), notice: text('notice') };
}
