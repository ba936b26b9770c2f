import { z } from 'zod';

/** A copy of the database that the server has made in its data folder; who asked for it removes it. */
export const databaseCopySchema = z.object({
  /** Of the file, on the server's machine. */
  path: z.string(),
  sizeBytes: z.number(),
  takenAtMs: z.number(),
});
export type DatabaseCopy = z.infer<typeof databaseCopySchema>;

/** Facts about a running server that an upgrade depends on. */
export const serverFactsSchema = z.object({
  version: z.string(),
  /** On the server's machine. */
  dataDir: z.string(),
  /** Of the image that new VMs get. */
  imageId: z.string(),
  /** Version of what server and agents say to each other. */
  agentProtocol: z.number(),
  database: z.object({ sizeBytes: z.number(), migrations: z.array(z.string()) }),
});
export type ServerFacts = z.infer<typeof serverFactsSchema>;
