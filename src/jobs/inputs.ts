import type { ArchiveReader } from '../domain/archive.ts';
import { type BlobStore, checkBlob } from '../domain/blob-store.ts';
import type { JobSpec } from '../domain/job.ts';
import type { FileEntry } from '../protocol/file-stream.ts';

/**
 * Looks whether what was submitted is still what it was, all of it: to be called before a worker gets any of it. An archive is
 * read in parts when it is sent, and damage in one would be seen too late or never. Errors: those of `checkBlob`.
 */
export async function checkInputs(spec: JobSpec, blobs: BlobStore, signal: AbortSignal): Promise<void> {
  for (const id of [spec.scriptBlob, spec.dataBlob]) if (id !== null) await checkBlob(blobs, id, signal);
}

/** The working folder of a job as a file stream: the script or the project's files, then the dataset below `data/`. */
export async function* inputFiles(spec: JobSpec, blobs: BlobStore, archives: ArchiveReader): AsyncGenerator<FileEntry> {
  if (spec.scriptBlob === null) {
    // What the runtime's image has is there already.
  } else if (spec.source === 'project') {
    yield* archives.files(await blobs.path(spec.scriptBlob));
  } else {
    const script = await blobs.read(spec.scriptBlob);
    yield { path: spec.entrypoint, size: script.sizeBytes, content: script.content };
  }
  if (spec.dataBlob === null) return;
  for await (const file of archives.files(await blobs.path(spec.dataBlob))) {
    yield { ...file, path: `data/${file.path}` };
  }
}
