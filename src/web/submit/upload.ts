import type { JobView, SubmissionBody } from '../../protocol/api.ts';
import { ApiError, problemError } from '../api/client.ts';
import type { Draft } from './draft.ts';

/** What the API is sent of a draft. Throws ApiError when a number is none. Pure. */
export function submissionOf(draft: Draft): SubmissionBody {
  const number = (text: string, what: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !(value > 0)) throw new ApiError('invalid', 400, `${what} is a number above 0`);
    return value;
  };
  return {
    runtime: draft.runtime,
    args: words(draft.args),
    limits: {
      cpus: number(draft.cpus, 'CPUs'),
      memoryBytes: Math.round(number(draft.memoryMiB, 'memory') * 1024 ** 2),
      timeoutMs: Math.round(number(draft.timeoutMinutes, 'time') * 60_000),
    },
  };
}

/** A command line cut into its arguments; quotes keep blanks. Pure. */
export function words(line: string): string[] {
  const found = line.match(/"[^"]*"|'[^']*'|[^\s"']+/g) ?? [];
  return found.map((word) => word.replace(/^(["'])(.*)\1$/, '$2'));
}

/** Sends a draft. `fetch` does not tell how far an upload is, so this is an XMLHttpRequest. Throws ApiError. */
export function sendDraft(draft: Draft, onProgress: (part: number) => void, signal: AbortSignal): Promise<JobView> {
  const form = new FormData();
  form.append('spec', new Blob([JSON.stringify(submissionOf(draft))], { type: 'application/json' }));
  form.append('script', new Blob([draft.script], { type: 'text/x-python' }), draft.name);
  if (draft.data !== null) form.append('data', draft.data, draft.data.name);
  const stopped = (): ApiError => new ApiError('aborted', 0, 'the upload was stopped');
  return new Promise((resolve, reject) => {
    // While the draft was being saved.
    if (signal.aborted) return reject(stopped());
    const request = new XMLHttpRequest();
    request.open('POST', '/api/v1/jobs');
    request.setRequestHeader('idempotency-key', draft.key);
    request.responseType = 'json';
    request.upload.onprogress = ({ loaded, total }) => onProgress(total === 0 ? 1 : loaded / total);
    request.onload = () => {
      if (request.status === 201) resolve(request.response as JobView);
      else reject(problemError(request.status, request.response));
    };
    request.onerror = () => reject(new ApiError('unreachable', 0, 'the server does not answer'));
    request.onabort = () => reject(stopped());
    signal.addEventListener('abort', () => request.abort());
    request.send(form);
  });
}
