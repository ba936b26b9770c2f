import { createHash } from 'node:crypto';
import { TidepoolError } from './errors.ts';
import type { JobSpec } from './job.ts';

/** What installs a job's requirements may come from. */
export type PipSource =
  | { readonly kind: 'index'; readonly url: string; readonly hosts: readonly string[] }
  | { readonly kind: 'folder'; readonly path: string };

/** A runtime with what a requirements.txt names installed on top. */
export interface LayeredRecipe {
  readonly base: string;
  /** The file's text, checked. */
  readonly requirements: string;
}

const layeredPrefix = 'req-';
const maxLines = 500;
const maxLineLength = 4_000;

/** The name of the runtime that a job runs in: the one it asks for, or that with its requirements on top. Pure. */
export function runtimeOf({ runtime, requirementsBlob }: Pick<JobSpec, 'runtime' | 'requirementsBlob'>): string {
  if (requirementsBlob === null) return runtime;
  const hash = createHash('sha256').update(`${runtime} ${requirementsBlob}`).digest('hex');
  return `${layeredPrefix}${hash.slice(0, 12)}`;
}

/** Whether a runtime was made of another one and requirements; users never name one of these. */
export function isLayered(runtime: string): boolean {
  return runtime.startsWith(layeredPrefix);
}

/**
 * A requirement as PEP 508 has it, without URLs: a name, perhaps extras, versions, a marker, and hashes. Options of pip
 * are refused: they could name other places to install from, or have code run at the installation.
 */
const requirement =
  /^[A-Za-z0-9][A-Za-z0-9._-]*(\s*\[[A-Za-z0-9._,\s-]*\])?\s*\(?[<>=!~,.*+A-Za-z0-9\s]*\)?(\s*;[^@\\#]*)?(\s--hash=sha256:[0-9a-f]{64})*$/;

/** Checks a requirements.txt and gives its requirements, one a line. Error: `invalid`, with the line. Pure. */
export function parseRequirements(text: string): string[] {
  const found: string[] = [];
  const lines = text.replaceAll('\r\n', '\n').replaceAll('\\\n', '  ').split('\n');
  if (lines.length > maxLines) throw new TidepoolError('invalid', `requirements.txt has more than ${maxLines} lines`);
  for (const [index, line] of lines.entries()) {
    const plain = line.replace(/(^|\s)#.*$/, '').trim();
    if (plain === '') continue;
    if (plain.length > maxLineLength || !requirement.test(plain)) {
      throw new TidepoolError(
        'invalid',
        `requirements.txt, line ${index + 1}: ${JSON.stringify(plain.slice(0, 200))} is not a name with versions, as "numpy>=1.24"; options, files and URLs are not allowed`,
      );
    }
    found.push(plain);
  }
  return found;
}
