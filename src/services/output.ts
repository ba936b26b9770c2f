import { TidepoolError } from '../domain/errors.ts';
import type { ServiceLink } from '../domain/service-link.ts';
import { FrameDecoder, type OutputFrame } from '../protocol/output-frames.ts';
import type { SeenVm } from './observe.ts';
import { revisionId } from './reports.ts';

/** A line that a process of a service wrote, or that its agent noted. */
export interface OutputLine {
  readonly vm: string;
  readonly revision: number;
  readonly atMs: number;
  readonly stream: OutputFrame['stream'];
  /** Without its end; what is not UTF-8 is replaced. */
  readonly text: string;
}

/**
 * The newest lines that the processes of a service wrote on these VMs, oldest first.
 * Errors: those of ServiceLink; `upstream` when an agent sends what is no output.
 */
export async function serviceOutput(
  link: ServiceLink,
  service: string,
  vms: readonly SeenVm[],
  count: number,
): Promise<OutputLine[]> {
  const lines: OutputLine[] = [];
  for (const { vm, agent, held } of vms) {
    for (const { number } of held) {
      const { bytes } = await link.serviceOutput(agent, revisionId(service, number), 0);
      const frames = framesOf(vm.name, bytes);
      lines.push(...linesOf(frames).map((line) => ({ vm: vm.name, revision: number, ...line })));
    }
  }
  return lines.sort((a, b) => a.atMs - b.atMs).slice(-count);
}

function framesOf(vm: string, bytes: Uint8Array): OutputFrame[] {
  try {
    return new FrameDecoder().push(bytes);
  } catch (cause) {
    throw new TidepoolError('upstream', `the agent of ${vm} sent what is no output`, { cause });
  }
}

/** Frames may end within a line; each stream goes on where its last frame ended. Pure. */
export function linesOf(frames: readonly OutputFrame[]): Pick<OutputLine, 'atMs' | 'stream' | 'text'>[] {
  const lines: Pick<OutputLine, 'atMs' | 'stream' | 'text'>[] = [];
  const open = new Map<OutputFrame['stream'], { atMs: number; bytes: Buffer[] }>();
  const close = (stream: OutputFrame['stream']): void => {
    const line = open.get(stream);
    open.delete(stream);
    if (line !== undefined) lines.push({ atMs: line.atMs, stream, text: Buffer.concat(line.bytes).toString() });
  };
  for (const { stream, atMs, data } of frames) {
    for (let from = 0; from < data.length; ) {
      const newline = data.indexOf(10, from);
      const end = newline === -1 ? data.length : newline;
      const line = open.get(stream) ?? { atMs, bytes: [] };
      line.bytes.push(Buffer.from(data.subarray(from, end)));
      open.set(stream, line);
      if (newline !== -1) close(stream);
      from = end + 1;
    }
  }
  for (const stream of [...open.keys()]) close(stream);
  return lines;
}
