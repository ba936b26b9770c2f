import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type ErrorCode, TidepoolError } from '../domain/errors.ts';
import type { Image } from '../domain/image.ts';
import type { Site } from '../http/site.ts';

const main = fileURLToPath(new URL('./prepare-main.ts', import.meta.url));

/** What a server needs before it starts. */
export interface Prepared {
  readonly image: Image;
  readonly site: Site;
}

/** The line that the process prints. */
export type PreparedLine = Prepared | { readonly error: { readonly code: ErrorCode; readonly message: string } };

/**
 * Gets the golden image, the runtime `python` and the dashboard; what is missing is built, with progress on standard error. A
 * process of its own does it: bundling and building take some 500 MiB of memory, which the server would keep for as long as
 * it runs. Errors: those of the builds, and `aborted`.
 */
export async function prepare(cacheDir: string, signal: AbortSignal): Promise<Prepared> {
  signal.throwIfAborted();
  const child = spawn(process.execPath, [main, cacheDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const stop = (): boolean => child.kill('SIGTERM');
  signal.addEventListener('abort', stop);
  try {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    const [code, killedBy] = await once(child, 'close');
    return readLine(text, `the preparation ended with ${code ?? killedBy}`);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function readLine(text: string, end: string): Prepared {
  if (text === '') throw new TidepoolError('internal', `${end} before it was done`);
  const line: PreparedLine = JSON.parse(text);
  if ('error' in line) throw new TidepoolError(line.error.code, line.error.message);
  return line;
}
