import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TidepoolError } from '../domain/errors.ts';
import type { AttemptReport } from '../protocol/agent.ts';
import { removeTree } from './remove-tree.ts';
import { isId } from './spec-fields.ts';

/** What of an attempt is on disk, beside its output log and its folder. */
export interface AttemptRecord {
  readonly report: AttemptReport;
  readonly slotNumber: number;
  readonly diskBytes: number;
}

/**
 * Attempts on disk: `<folder>/<id>/attempt.json` and `output.log`. They need only outlive the agent's process, not the
 * VM, so nothing is synced, and calls are synchronous: they end in the page cache, which is nearer than the thread pool.
 */
export class AttemptStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  logPath(id: string): string {
    return join(this.#folder, id, 'output.log');
  }

  /** Makes the attempt's own folder. */
  create(id: string): void {
    mkdirSync(join(this.#folder, id), { recursive: true, mode: 0o700 });
  }

  /** Writes whole or not at all. */
  save(record: AttemptRecord): void {
    const path = join(this.#folder, record.report.id, 'attempt.json');
    writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  /** Every attempt with a record; what has none never got as far as to be known to anybody, and is removed. */
  async load(): Promise<{ readonly record: AttemptRecord; readonly logBytes: number }[]> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const found: { record: AttemptRecord; logBytes: number }[] = [];
    for (const id of await readdir(this.#folder)) {
      try {
        if (!isId(id)) throw new TidepoolError('invalid', `${id} is no attempt`);
        const record: AttemptRecord = JSON.parse(await readFile(join(this.#folder, id, 'attempt.json'), 'utf8'));
        found.push({ record, logBytes: (await stat(this.logPath(id))).size });
      } catch {
        await removeTree(join(this.#folder, id));
      }
    }
    return found;
  }

  async remove(id: string): Promise<void> {
    await removeTree(join(this.#folder, id));
  }
}
