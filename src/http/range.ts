import type { ByteRange } from '../domain/blob-store.ts';
import { TidepoolError } from '../domain/errors.ts';

/**
 * The part of a file that a request asks for (RFC 9110, 14.2); undefined is all of it, also for forms that we do not serve
 * (several ranges, other units). Error: `out_of_range` when there is nothing there.
 */
export function requestedRange(header: string | undefined, sizeBytes: number): ByteRange | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (first === '' && last === '') return undefined;
  const start = first === '' ? Math.max(0, sizeBytes - Number(last)) : Number(first);
  const end = first === '' || last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined;
  if (start < sizeBytes) return { start, end };
  throw new TidepoolError('out_of_range', `${header} is not within the ${sizeBytes} bytes of the file`, {
    details: { sizeBytes },
  });
}
