import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { ApiError } from '../api/client.ts';
import { Button } from './button.tsx';

/** While something is on its way. @param what completes "Loading ..." */
export function Loading({ what }: { what: string }) {
  return (
    <div className="loading" role="status">
      <span className="spinner" aria-hidden="true" />
      Loading {what} …
    </div>
  );
}

/** What did not work, and a way to try again. */
export function Problem({ error, retry }: { error: unknown; retry?: () => unknown }) {
  return (
    <div className="note bad" role="alert">
      <p>{sentence(error)}</p>
      {retry !== undefined && <Button onClick={() => void retry()}>Try again</Button>}
    </div>
  );
}

/** What to say of an error, as a sentence. Pure. */
export function sentence(error: unknown): string {
  if (error instanceof ApiError && error.status === 0) return 'The server does not answer. Is it running?';
  const text = error instanceof Error ? error.message : String(error);
  const end = /[.!?]$/.test(text) ? '' : '.';
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}${end}`;
}

/** Where nothing is yet, and what to do about it. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** The answer to a query, or that it is on its way, or why it is not there. An old answer stays while a new one fails. */
export function Answer<T>({
  query,
  what,
  children,
}: {
  query: UseQueryResult<T>;
  what: string;
  children: (data: T) => ReactNode;
}) {
  const { data, error, refetch } = query;
  if (data !== undefined) return <>{children(data)}</>;
  return error === null ? <Loading what={what} /> : <Problem error={error} retry={refetch} />;
}
