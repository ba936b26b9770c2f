import { renameSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TidepoolError } from '../domain/errors.ts';
import type { AttemptReport } from '../protocol/agent.ts';
import type { AttemptPlace } from './attempt.ts';
import { removeFile, removeTree } from './remove-tree.ts';
import { isId } from './spec-fields.ts';

/** What is known of an attempt, beside its output log and its folder. */
export interface AttemptRecord {
  readonly report: AttemptReport;
  readonly place: AttemptPlace | null;
  readonly diskBytes: number;
}

/**
 * Attempts in files: `<records>/<id>.json` and `<logs>/<id>.log`. They need only outlive the agent's process, not the VM; so
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
    return join(this.#logs, `${id}.log`);
  }

  /** Writes whole or not at all. */
  save(record: AttemptRecord): void {
    const path = this.#recordPath(record.report.id);
    writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  /** Every attempt with a record; what has none never got as far as to be known to anybody, and is removed. */
  async load(): Promise<{ readonly record: AttemptRecord; readonly logBytes: number }[]> {
    for (const folder of [this.#records, this.#logs]) await mkdir(folder, { recursive: true, mode: 0o700 });
    const found = new Map<string, { record: AttemptRecord; logBytes: number }>();
    for (const name of await readdir(this.#records)) {
      const id = name.replace(/\.json$/, '');
      try {
        if (!isId(id)) throw new TidepoolError('invalid', `${name} is no record of an attempt`);
        const record: AttemptRecord = JSON.parse(await readFile(this.#recordPath(id), 'utf8'));
        found.set(id, { record, logBytes: (await stat(this.logPath(id))).size });
      } catch {
        await removeTree(join(this.#records, name));
      }
    }
    for (const name of await readdir(this.#logs))
      if (!found.has(name.replace(/\.log$/, ''))) await removeTree(join(this.#logs, name));
    return [...found.values()];
  }

  async remove(id: string): Promise<void> {
    await removeFile(this.#recordPath(id));
    await removeFile(this.logPath(id));
  }

  #recordPath(id: string): string {
    return join(this.#records, `${id}.json`);
  }
}
