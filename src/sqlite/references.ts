import type { DatabaseSync } from 'node:sqlite';
import { withDatabase } from './one-use.ts';

/** Whoever refers to a blob, in words: `job <id>` or `service <name>`. */
export interface BlobUser {
  readonly blob: string;
  readonly user: string;
}

/** Every place of the schema where a row refers to a blob, by its table. Its rows are `blob` and `user`. */
const uses = [
  ['job_input', `select blob, 'job ' || job_id as user from job_input`],
  ['job_file', `select blob, 'job ' || job_id as user from job_file`],
  [
    'revision',
    `select json_extract(file.value, '$.blob') as blob, 'service ' || service as user
     from revision, json_each(revision.spec_json, '$.files') as file`,
  ],
] as const;

/** Returns every blob that a row refers to. */
export function referredBlobs(database: DatabaseSync): Set<string> {
  const blobs = new Set<string>();
  for (const query of queries(database))
    for (const { blob } of database.prepare(`select distinct blob from (${query})`).iterate())
      if (blob !== null) blobs.add(String(blob));
  return blobs;
}

/** Returns the users of these blobs in a database file that nobody has open, by blob and user. */
export function blobUsers(path: string, blobs: readonly string[]): BlobUser[] {
  return withDatabase(path, { readOnly: true }, (database) =>
    queries(database)
      .flatMap((query) =>
        database
          .prepare(`select distinct blob, user from (${query}) where blob in (select value from json_each(?))`)
          .all(JSON.stringify(blobs)),
      )
      .map(({ blob, user }) => ({ blob: String(blob), user: String(user) }))
      .sort((a, b) => (a.blob + a.user < b.blob + b.user ? -1 : 1)),
  );
}

/** Returns the number of the last attempt of those of these jobs that a database file has, which nobody has open. */
export function lastAttempts(path: string, jobs: readonly string[]): Map<string, number> {
  const query = 'select id, attempt from job where id in (select value from json_each(?))';
  return withDatabase(path, { readOnly: true }, (database) => {
    const rows = database.prepare(query).all(JSON.stringify(jobs));
    return new Map(rows.map(({ id, attempt }) => [String(id), Number(attempt)]));
  });
}

function queries(database: DatabaseSync): string[] {
  const hasTable = database.prepare('select 1 from sqlite_master where name = ?');
  return uses.filter(([table]) => hasTable.get(table) !== undefined).map(([, query]) => query);
}
