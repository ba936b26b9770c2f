import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { JobFileView, JobView } from '../../protocol/api.ts';
import { answer, api, responseError, unreachable } from '../api/client.ts';
import { lineText } from '../log/line-text.ts';
import { bytes } from '../text/format.ts';
import { Button } from '../ui/button.tsx';
import { CodeBox } from '../ui/code-box.tsx';
import { Dialog } from '../ui/dialogs.tsx';
import { Card } from '../ui/page.tsx';
import { Loading, Problem } from '../ui/states.tsx';

const images: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
};
const texts = new Set([
  'txt',
  'csv',
  'tsv',
  'json',
  'jsonl',
  'log',
  'md',
  'py',
  'yaml',
  'yml',
  'toml',
  'ini',
  'xml',
  'html',
  'svg',
]);
const mostImageBytes = 32 * 1024 ** 2;
const mostTextBytes = 256 * 1024;

function addressOf(job: string, path: string): string {
  return `/api/v1/jobs/${job}/files/${path.split('/').map(encodeURIComponent).join('/')}`;
}

function kindOf({ path, sizeBytes }: JobFileView): 'image' | 'text' | undefined {
  const ending = path.split('.').at(-1)?.toLowerCase() ?? '';
  if (ending in images) return sizeBytes <= mostImageBytes ? 'image' : undefined;
  return texts.has(ending) ? 'text' : undefined;
}

/** Files that a job left in ./out: to look at, to download. */
export function JobFiles({ job }: { job: JobView }) {
  const [shown, setShown] = useState<JobFileView>();
  const query = useInfiniteQuery({
    queryKey: ['files', job.id, job.ended],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam: cursor }) =>
      answer(api.GET('/api/v1/jobs/{id}/files', { params: { path: { id: job.id }, query: { cursor } } })),
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
  });
  const files = query.data?.pages.flatMap((page) => page.files);
  return (
    <Card
      title="Files"
      actions={
        files !== undefined &&
        files.length > 0 && (
          <a className="button small" href={`/api/v1/jobs/${job.id}/archive`} download>
            Download all
          </a>
        )
      }
    >
      {files === undefined && (query.error === null ? <Loading what="files" /> : <Problem error={query.error} />)}
      {files?.length === 0 && (
        <p className="faint">
          {job.ended ? 'None. What a script writes to ./out is kept here.' : 'They are here when the job has ended.'}
        </p>
      )}
      <ul className="files">
        {files?.map((file) => (
          <li key={file.path}>
            <span className="path">{file.path}</span>
            <span className="faint nowrap">{bytes(file.sizeBytes)}</span>
            {kindOf(file) !== undefined && (
              <Button small onClick={() => setShown(file)} aria-label={`Look at ${file.path}`}>
                Look
              </Button>
            )}
            <a
              className="button small"
              href={addressOf(job.id, file.path)}
              download
              aria-label={`Download ${file.path}`}
            >
              Download
            </a>
          </li>
        ))}
      </ul>
      {query.hasNextPage && <Button onClick={() => void query.fetchNextPage()}>More files</Button>}
      <Dialog title={shown?.path ?? ''} open={shown !== undefined} onClose={() => setShown(undefined)} wide>
        {shown !== undefined && <Preview job={job.id} file={shown} />}
      </Dialog>
    </Card>
  );
}

/** Strangers' content is shown as pixels or as plain text, never as a page: it is fetched, not navigated to. */
function Preview({ job, file }: { job: string; file: JobFileView }) {
  const kind = kindOf(file);
  const { data, error } = useQuery({
    queryKey: ['preview', job, file.path],
    gcTime: 0,
    queryFn: async () => {
      const isCut = kind === 'text' && file.sizeBytes > mostTextBytes;
      const headers: Record<string, string> = isCut ? { range: `bytes=0-${mostTextBytes - 1}` } : {};
      const response = await fetch(addressOf(job, file.path), { headers }).catch(unreachable);
      if (!response.ok) throw await responseError(response);
      return new Uint8Array(await response.arrayBuffer());
    },
  });
  if (error !== null) return <Problem error={error} />;
  if (data === undefined) return <Loading what={file.path} />;
  if (kind === 'image') return <Picture content={data} path={file.path} />;
  return (
    <>
      {data.length < file.sizeBytes && <p className="faint">The first {bytes(data.length)} of it.</p>}
      <CodeBox text={textLines(data).join('\n')} tall />
    </>
  );
}

function textLines(content: Uint8Array): string[] {
  const lines: string[] = [];
  for (let from = 0; from <= content.length; ) {
    const end = content.indexOf(10, from);
    lines.push(lineText(content.subarray(from, end < 0 ? content.length : end)));
    if (end < 0) break;
    from = end + 1;
  }
  return lines;
}

function Picture({ content, path }: { content: Uint8Array<ArrayBuffer>; path: string }) {
  const [url, setUrl] = useState<string>();
  const [isBroken, setBroken] = useState(false);
  useEffect(() => {
    const ending = path.split('.').at(-1)?.toLowerCase() ?? '';
    const made = URL.createObjectURL(new Blob([content], { type: images[ending] ?? '' }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [content, path]);
  if (isBroken) return <p className="note bad">This is no picture, or a broken one.</p>;
  return url === undefined ? null : <img className="preview" src={url} alt={path} onError={() => setBroken(true)} />;
}
