/** What a database file says about itself. */
export interface DatabaseFacts {
  /** Problems that SQLite finds in it; none when it is sound. */
  readonly problems: readonly string[];
  /** The newest migration. */
  readonly migration: string;
  readonly installationId: string;
  /** Every blob that a row refers to. */
  readonly blobs: ReadonlySet<string>;
}

/** Whoever refers to a blob, in words: `job <id>` or `service <name>`. */
export interface BlobUser {
  readonly blob: string;
  readonly user: string;
}

/** What backups ask of the database. Implementation: `sqlite/copy.ts` and `sqlite/references.ts`. */
export interface DatabaseTools {
  /** Returns facts about a file that nobody has open. Changes nothing. */
  inspect(path: string): DatabaseFacts;
  /** Returns who refers to these blobs in a file that nobody has open. */
  blobUsers(path: string, blobs: readonly string[]): readonly BlobUser[];
  /** Returns the number of the last attempt of those of these jobs that a file has, which nobody has open. */
  attempts(path: string, jobs: readonly string[]): ReadonlyMap<string, number>;
  /** Writes a compact copy of a file that nobody has open; the copy has this installation id, if one is given. */
  rewrite(from: string, to: string, installationId?: string): void;
  /** Keeps others out of a folder until the returned function is called, or this process ends. Error: `conflict`. */
  lock(folder: string): () => void;
}

/** Names of what is backed up in a data folder. */
export const names = {
  database: 'tidepool.db',
  token: 'admin.token',
  config: 'config.json',
  blobs: 'blobs',
  logs: 'logs',
};
