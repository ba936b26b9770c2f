import type { EventView } from '../../protocol/api.ts';
import type { RecordingLine } from '../../protocol/recording.ts';
import { RecordingFile } from '../recording.ts';
import { formatSize } from '../units.ts';
import { eventLine, firstDecisionLines, sampleLines } from './record.ts';
import type { Answer } from './state.ts';

/** Events between two writes; more than a server keeps. */
const mostPending = 10_000;

/** Writes what `top` sees to a recording, once an interval. */
export class Recorder {
  readonly #path: string;
  readonly #file: RecordingFile;
  readonly #pending: RecordingLine[] = [];

  private constructor(path: string, file: RecordingFile) {
    this.#path = path;
    this.#file = file;
  }

  /** Begins with the decisions that hold. Errors: as RecordingFile. */
  static async open(
    path: string,
    header: { atMs: number; server: string; intervalMs: number },
    first: Answer,
  ): Promise<Recorder> {
    const file = await RecordingFile.open(path, header);
    const recorder = new Recorder(path, file);
    recorder.#pending.push(...firstDecisionLines(first));
    // The server tells of the minutes before too, but a recording begins when it was asked for.
    const sinceMs = header.atMs - header.intervalMs;
    const recent = (vm: Answer['usage'][number]) => vm.samples.filter((sample) => sample.atMs > sinceMs);
    const usage = first.usage.map((vm) => ({ ...vm, samples: recent(vm) }));
    recorder.#pending.push(...sampleLines({ ...first, usage }, header.atMs));
    return recorder;
  }

  /** For a person: where it goes, and how much it is. */
  get note(): string {
    return `recording to ${this.#path} (${formatSize(this.#file.sizeBytes)})`;
  }

  event(event: EventView): void {
    if (this.#pending.length < mostPending) this.#pending.push(eventLine(event));
  }

  /** Lines of somebody else, for the next write. */
  add(lines: readonly RecordingLine[]): void {
    this.#pending.push(...lines);
  }

  /** Errors: `exhausted`. */
  async write(answer: Answer | undefined, nowMs: number): Promise<void> {
    const samples = answer === undefined ? [] : sampleLines(answer, nowMs);
    await this.#file.append([...this.#pending.splice(0), ...samples]);
  }

  async close(): Promise<void> {
    try {
      await this.#file.append(this.#pending.splice(0));
    } finally {
      await this.#file.close();
    }
  }
}
