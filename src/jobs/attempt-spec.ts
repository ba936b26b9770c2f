import { attemptId, type Job } from '../domain/job.ts';
import { runtimeOf } from '../domain/requirements.ts';
import type { AttemptSpec } from '../protocol/agent.ts';
import type { JobContext } from './context.ts';
import { imageCommand } from './image-command.ts';

/** Returns what an agent is to run for the job's present attempt. */
export async function attemptSpec({ runtimes }: Pick<JobContext, 'runtimes'>, job: Job): Promise<AttemptSpec> {
  const { entrypoint, args, limits, network, source } = job.spec;
  const runtime = runtimeOf(job.spec);
  // What is installed on top changes nothing of how the image is run.
  const image = await runtimes.image(job.spec.runtime);
  const environment = { ...image?.environment, ...job.spec.environment };
  const spec = { id: attemptId(job.id, job.attempt), runtime, entrypoint, args, environment, limits, network };
  if (image === null) return { ...spec, image };
  const { uid, gid } = image;
  if (source !== 'image') return { ...spec, image: { uid, gid, command: null, workingFolder: null } };
  const workingFolder = image.workingFolder === '/' ? null : image.workingFolder;
  return { ...spec, image: { uid, gid, command: imageCommand(image, args), workingFolder } };
}
