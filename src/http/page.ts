import { z } from 'zod';

/** Query parameters of a list that goes on. @param most entries at one time */
export function pageQuery(most: number, usual: number) {
  return {
    limit: z.coerce.number().int().min(1).max(most).default(usual),
    cursor: z.string().max(2_048).optional().describe('`nextCursor` of the answer before'),
  };
}

/**
 * One page of a list, and where it goes on. Pure.
 * @param rows one more than the limit where there are more
 */
export function pageOf<T>(
  rows: readonly T[],
  limit: number,
  cursorOf: (last: T) => string,
): { page: T[]; nextCursor: string | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { page, nextCursor: rows.length > limit && last !== undefined ? cursorOf(last) : null };
}
