import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sortableId } from '../../src/domain/id.ts';
import { joinedHost, joinedPool, joinedVmName } from '../../src/domain/worker.ts';
import { emptySpec, queuedJob } from '../../src/fake/job.ts';
import { readyVm } from '../../src/fake/vm.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';

/** The user whom all jobs belong to. */
export const owner = 'admin';
export const pools = Array.from({ length: 10 }, (_, i) => `pool-${i}`);
/** Jobs of one user that may run, and jobs of all that may wait. */
export const maxRunning = 10_000;
export const mostQueued = 1_000_000;
const GiB = 1024 ** 3;

/** Size of each VM. */
export const flavor = { name: 'bench', vcpus: 10, memoryMiB: 64 * 1024, diskGiB: 1024 };
/** Capacity of each VM and worker. */
export const capacity = { cpus: 10, memoryBytes: 64 * GiB, diskBytes: 1024 * GiB, slots: 64 };

/** Numbers of rows that a database gets. */
export interface Size {
  readonly queued: number;
  readonly running: number;
  /** VMs of the pools, in equal parts. */
  readonly vms: number;
  /** Workers that joined by hand. */
  readonly joined: number;
}

export function poolOf(i: number): string {
  return pools[i % pools.length] ?? '';
}

export function vmName(i: number): string {
  return `${poolOf(i)}-${String(Math.floor(i / pools.length)).padStart(4, '0')}`;
}

/** The name that a joined worker has for itself. */
export function joinedName(i: number): string {
  return `w${i}`;
}

/** The instance of a joined worker, which is its key id. */
export function joinedInstance(i: number): string {
  return i.toString(16).padStart(32, '0');
}

/** A database in the folder, all of whose jobs are of one user and have the same script. */
export async function fill(folder: string, { queued, running, vms, joined }: Size): Promise<void> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'tidepool.db');
  const nowMs = 1_800_000_000_000;
  const spec = { ...emptySpec, inputBytes: { script: 100, data: 0, requirements: 0 } };
  const store = await openSqliteStore(path);
  try {
    // A server takes no folder with files of jobs whose database knows no installation.
    await store.setting('installation-id', () => randomUUID());
    const machines = Array.from({ length: vms }, (_, i) =>
      readyVm({ name: vmName(i), pool: poolOf(i), flavor: flavor.name, capacity }),
    );
    const workers = Array.from({ length: joined }, (_, i) =>
      readyVm({
        ...{ name: joinedVmName(joinedName(i)), pool: joinedPool, keyId: joinedInstance(i), key: new Uint8Array(0) },
        ...{ host: joinedHost, port: 0, flavor: '', imageId: '', capacity },
      }),
    );
    await Promise.all([...machines, ...workers].map((vm) => store.vms.insert(vm)));
    await store.jobs.insert(queuedJob({ id: 'template', owner, spec, createdAtMs: nowMs }));
  } finally {
    await store.close();
  }
  const db = new DatabaseSync(path);
  try {
    db.exec('begin');
    const columns = db.prepare('select * from job').all()[0] ?? {};
    const given = ['id', 'state', 'vm_name', 'attempt', 'assigned_at_ms', 'started_at_ms'];
    const rest = Object.keys(columns).filter((name) => !given.includes(name));
    const insert = db.prepare(`insert into job (${[...given, ...rest].join()})
      select ?, ?, ?, ?, ?, ?, ${rest.join()} from job where id = 'template'`);
    const input = db.prepare('insert into job_input (owner, blob, job_id, size_bytes) values (?, ?, ?, 100)');
    const attempt = db.prepare(
      'insert into attempt (job_id, number, vm_name, assigned_at_ms, outcome) values (?, 1, ?, ?, null)',
    );
    for (let i = 0; i < queued + running; i += 1) {
      const id = sortableId(nowMs + i, new Uint8Array(10));
      const vm = i < running ? vmName(i % Math.max(1, vms)) : null;
      const atMs = vm === null ? null : nowMs;
      insert.run(id, vm === null ? 'queued' : 'running', vm, vm === null ? 0 : 1, atMs, atMs);
      input.run(owner, spec.scriptBlob, id);
      if (vm !== null) attempt.run(id, vm, nowMs);
    }
    db.exec(`delete from job_input where job_id = 'template'; delete from job where id = 'template';
      update queue_user set queued = ${queued}; commit`);
  } finally {
    db.close();
  }
}
