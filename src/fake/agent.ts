import type { AgentAddress } from '../domain/agent-link.ts';
import type { Clock } from '../domain/clock.ts';
import { hasCode, TidepoolError } from '../domain/errors.ts';
import {
  type AgentHealth,
  type AttemptReport,
  type AttemptSpec,
  agentProtocol,
  agentSlots,
} from '../protocol/agent.ts';
import { type FileEntry, pathProblem } from '../protocol/file-stream.ts';
import { FakeAttempt } from './attempt.ts';

const GiB = 1024 ** 3;
let boots = 0;

/** One VM's agent, without the VM. */
export class FakeAgent {
  readonly #clock: Clock;
  readonly #address: AgentAddress;
  readonly #facts: Partial<AgentHealth>;
  readonly #attempts = new Map<string, FakeAttempt>();
  readonly #bootedAtMs: number;
  readonly #bootId: string;
  #clockOffsetMs = 0;
  #answeredAtMs: number | undefined;
  #workUntilMs = Number.POSITIVE_INFINITY;
  #cancelLapse = (): void => undefined;

  constructor(clock: Clock, address: AgentAddress, facts: Partial<AgentHealth>) {
    this.#clock = clock;
    this.#address = address;
    this.#facts = facts;
    this.#bootedAtMs = clock.uptimeMs();
    boots += 1;
    this.#bootId = `boot-${boots}`;
  }

  knows({ keyId, key }: AgentAddress): boolean {
    return keyId === this.#address.keyId && Buffer.from(key).equals(this.#address.key);
  }

  health(): AgentHealth {
    return {
      hostname: 'fake',
      version: 'fake',
      protocol: agentProtocol,
      bootId: this.#bootId,
      uptimeMs: this.#clock.uptimeMs() - this.#bootedAtMs,
      clockMs: this.#clock.now() + this.#clockOffsetMs,
      runtimes: ['python'],
      capacity: { cpus: 1, memoryBytes: 2 * GiB, diskBytes: 8 * GiB, slots: agentSlots },
      isWarmingUp: false,
      ...this.#facts,
      runningAttempts: this.#running,
    };
  }

  setClock(nowMs: number): void {
    this.#clockOffsetMs = nowMs - this.#clock.now();
  }

  /** It answers a request: with a lease its attempts may run for so long from the answer before this one on. */
  answers(workLeaseMs: number | undefined): void {
    const nowMs = this.#clock.uptimeMs();
    if (workLeaseMs !== undefined && this.#answeredAtMs !== undefined) {
      this.#workUntilMs = this.#answeredAtMs + workLeaseMs;
      this.#cancelLapse();
      this.#cancelLapse = this.#clock.after(Math.max(0, this.#workUntilMs - nowMs), () => this.#lapse());
    }
    this.#answeredAtMs = nowMs;
  }

  #lapse(): void {
    const end = { fault: 'worker', signal: 9, message: 'its worker heard nothing from the control plane' } as const;
    for (const attempt of this.#attempts.values()) attempt.end('lost', end);
  }

  get #running(): number {
    let running = 0;
    for (const attempt of this.#attempts.values()) if (!attempt.isEnded) running += 1;
    return running;
  }

  reports(): AttemptReport[] {
    return [...this.#attempts.values()].map((attempt) => attempt.report);
  }

  get(id: string): FakeAttempt {
    const attempt = this.#attempts.get(id);
    if (attempt === undefined) throw new TidepoolError('not_found', `this VM has no attempt ${id}`);
    return attempt;
  }

  async start(spec: AttemptSpec, files: AsyncIterable<FileEntry> | Iterable<FileEntry>): Promise<void> {
    if (this.#attempts.has(spec.id)) return;
    if (!this.health().runtimes.includes(spec.runtime)) {
      throw new TidepoolError('not_found', `this VM has no runtime ${spec.runtime}`);
    }
    if (this.#clock.uptimeMs() > this.#workUntilMs)
      throw new TidepoolError('unavailable', 'this worker heard nothing from the control plane for too long');
    const { slots } = this.health().capacity;
    if (this.#running >= slots)
      throw new TidepoolError('exhausted', `this VM holds ${slots} attempts; remove some that ended`);
    const attempt = new FakeAttempt(spec, this.#clock);
    this.#attempts.set(spec.id, attempt);
    // What the files are is the job's own doing; that they did not arrive is not.
    const arrived = await readAll(files).catch((error: unknown) => {
      attempt.end('lost', { fault: 'transfer', message: 'its files did not arrive' });
      throw error;
    });
    try {
      await attempt.run(textsOf(spec, arrived));
    } catch (error) {
      if (hasCode(error, 'invalid') || hasCode(error, 'too_large')) attempt.end('failed', { message: error.message });
      throw error;
    }
  }

  /** As after a kill -9 of the agent: what ran is lost, what had ended is still there. */
  restart(): void {
    const end = { fault: 'worker', message: 'its agent was restarted' } as const;
    for (const attempt of this.#attempts.values()) attempt.end('lost', end);
  }

  /** As when the network hiccups: whoever follows something is cut off, and all goes on. */
  disconnect(): void {
    for (const attempt of this.#attempts.values()) attempt.disconnect();
  }

  /** As when the VM is gone: whoever follows something is cut off. */
  halt(): void {
    this.#cancelLapse();
    for (const attempt of this.#attempts.values()) attempt.cut();
  }

  remove(id: string): void {
    this.#attempts.get(id)?.end('stopped', { signal: 9 });
    this.#attempts.delete(id);
  }
}

/** A file that arrived. */
interface Arrived {
  readonly path: string;
  readonly size: number;
  readonly text: string;
}

/** Error: what broke the stream off. */
async function readAll(files: AsyncIterable<FileEntry> | Iterable<FileEntry>): Promise<Arrived[]> {
  const arrived: Arrived[] = [];
  for await (const { path, size, content } of files) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) chunks.push(chunk);
    arrived.push({ path, size, text: Buffer.concat(chunks).toString() });
  }
  return arrived;
}

/** Errors: `invalid`, `too_large`. */
function textsOf(spec: AttemptSpec, arrived: readonly Arrived[]): Map<string, string> {
  const texts = new Map<string, string>();
  let leftBytes = spec.limits.diskBytes;
  for (const { path, size, text } of arrived) {
    const problem = pathProblem(path);
    if (problem !== undefined) throw new TidepoolError('invalid', `${path}: ${problem}`);
    leftBytes -= size;
    if (leftBytes < 0) throw new TidepoolError('too_large', 'the working folder is larger than its disk limit');
    texts.set(path, text);
  }
  if (!texts.has(spec.entrypoint)) throw new TidepoolError('invalid', `${spec.entrypoint} is not among the files`);
  return texts;
}
