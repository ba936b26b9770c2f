import { TidepoolError } from '../domain/errors.ts';
import type { ImageProcess } from '../domain/image.ts';

/** What a job of an image runs: its entrypoint, then the job's arguments or, without any, the image's command. Pure. */
export function imageCommand({ entrypoint, command }: ImageProcess, args: readonly string[]): readonly string[] {
  return [...entrypoint, ...(args.length > 0 ? args : command)];
}

/** Refuses a job without a script where there is nothing else to run. Error: `invalid`. */
export function checkImageCommand(runtime: string, image: ImageProcess | null, args: readonly string[]): void {
  if (image === null) {
    throw new TidepoolError(
      'invalid',
      `the part script is missing: the runtime ${runtime} was not made of an image that has a command of its own`,
    );
  }
  if (imageCommand(image, args).length > 0) return;
  throw new TidepoolError(
    'invalid',
    `the image of the runtime ${runtime} has no command; send a script, or arguments that are one`,
  );
}
