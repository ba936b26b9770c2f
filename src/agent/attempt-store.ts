import { appendFileSync, rmSync } from 'node:fs';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TidepoolError } from '../domain/errors.ts';
import type { AttemptReport } from '../protocol/agent.ts';
import type { AttemptPlace } from './attempt.ts';
import { removeFile, removeTree } from './remove-tree.ts';
import { isId } from './spec-fields.ts';
import { wholeFrameBytes } from './whole-frames.ts';

/** What is known of an attempt, beside its output log and its folder. */
export interface AttemptRecord {
  readonly report: AttemptReport;
  readonly place: AttemptPlace | null;
  readonly diskBytes: number;
}

/**
 * Attempts in files: `<records>/<id>.jsonl` and `<logs>/<id>.log`. They need only outlive the agent's process, not the VM; so
 * nothing is synced, and records are best in memory.
 */
export class AttemptStore {
  readonly #records: string;
  readonly #logs: string;

  constructor(records: string, logs: string) {
    this.#records = records;
    this.#logs = logs;
  }

  logPath(id: string): string {
    return `${this.#logs}/${id}.log`;
  }

  /** Adds a line, of which the last whole one counts. It begins one of its own, since the write before may have broken off. */
  save(record: AttemptRecord): void {
    appendFileSync(this.#recordPath(record.report.id), `\n${JSON.stringify(record)}\n`, { mode: 0o600 });
  }

  /** Every attempt with a record; what has none never got as far as to be known to anybody, and is removed. */
  async load(): Promise<{ readonly record: AttemptRecord; readonly logBytes: number }[]> {
    for (const folder of [this.#records, this.#logs]) await mkdir(folder, { recursive: true, mode: 0o700 });
    const found = new Map<string, { record: AttemptRecord; logBytes: number }>();
    for (const name of await readdir(this.#records)) {
      const id = name.replace(/\.jsonl$/, '');
      try {
        if (!isId(id)) throw new TidepoolError('invalid', `${name} is no record of an attempt`);
        const record = lastRecord(await readFile(this.#recordPath(id), 'utf8'));
        found.set(id, { record, logBytes: await this.#logBytes(record.report) });
      } catch {
        await removeTree(join(this.#records, name));
      }
    }
    for (const name of await readdir(this.#logs))
      if (!found.has(name.replace(/\.log$/, ''))) await removeTree(join(this.#logs, name));
    return [...found.values()];
  }

  /** Removes both, also when one of them cannot be. */
  async remove(id: string): Promise<void> {
    try {
      rmSync(this.#recordPath(id), { force: true });
    } finally {
      await removeFile(this.logPath(id));
    }
  }

  /** The record of an attempt that ended says how long its log is; of another it may end in the middle of a frame. */
  async #logBytes({ id, state, outputLogBytes }: AttemptReport): Promise<number> {
    const { size } = await stat(this.logPath(id));
    return state === 'ended' ? Math.min(size, outputLogBytes) : wholeFrameBytes(this.logPath(id));
  }

  #recordPath(id: string): string {
    return `${this.#records}/${id}.jsonl`;
  }
}

/** Of the last line that was written whole. Error: SyntaxError when there is none. */
function lastRecord(text: string): AttemptRecord {
  const lines = text.split('\n');
  for (;;) {
    try {
      return JSON.parse(lines.pop() ?? '');
    } catch (error) {
      if (lines.length === 0) throw error;
    }
  }
}
