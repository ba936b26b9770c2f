import type { BlobStore } from '../domain/blob-store.ts';
import type { DatasetReader } from '../domain/dataset.ts';
import type { JobSpec } from '../domain/job.ts';
import type { FileEntry } from '../protocol/file-stream.ts';

/** The working folder of a job as a file stream: the script, then the dataset below `data/`. */
export async function* inputFiles(spec: JobSpec, blobs: BlobStore, datasets: DatasetReader): AsyncGenerator<FileEntry> {
  const script = await blobs.read(spec.scriptBlob);
  yield { path: spec.entrypoint, size: script.sizeBytes, content: script.content };
  if (spec.dataBlob === null) return;
  for await (const file of datasets.files(await blobs.path(spec.dataBlob))) {
    yield { ...file, path: `data/${file.path}` };
  }
}
