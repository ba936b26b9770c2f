import { errorCodes, TidepoolError } from '../domain/errors.ts';
import { systemFault } from '../files/system-fault.ts';

/**
 * Sees to standard streams that cannot be written. Who reads them may leave, as `head` does: then a command ends without a
 * word. When it is for another reason, such as a full disk, the exit code says so, and the other stream says why.
 * @param goesOn whether this command has more to see to than what it prints
 */
export function watchStandardStreams(goesOn: () => boolean): void {
  const { stdout, stderr } = process;
  stdout.on('error', (error) => {
    if (goesOn()) return;
    if (hasLeft(error)) process.exit();
    stderr.write(`tidepool: standard output: ${known(error).message}\n`);
    end(error);
  });
  stderr.on('error', (error) => {
    if (goesOn()) return;
    if (hasLeft(error)) process.exit();
    end(error);
  });
}

function hasLeft(error: NodeJS.ErrnoException): boolean {
  return error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED';
}

function end(error: Error): never {
  // An exit code of 0 was meant for output that is there.
  process.exit(process.exitCode || errorCodes[known(error).code].exitCode);
}

function known(error: Error): TidepoolError {
  const fault = systemFault(error);
  return fault instanceof TidepoolError ? fault : new TidepoolError('unavailable', error.message, { cause: error });
}
