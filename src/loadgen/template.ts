import { TidepoolError } from '../domain/errors.ts';

/** A text that may differ from request to request. */
export interface Template {
  /** The same for each request. */
  readonly isConstant: boolean;
  /** @param number of the request, from 1 */
  render(number: number): string;
}

const placeholder = /\{n\}|\{random:(\d{1,15})-(\d{1,15})\}/g;

/**
 * Reads a template: `{n}` stands for the request's number, `{random:A-B}` for a whole number from A to B. All other text
 * is taken as it is, also other braces. Errors: `invalid` when B is less than A.
 * @param random from 0 to less than 1
 */
export function parseTemplate(text: string, random: () => number): Template {
  const parts: (string | ((number: number) => string))[] = [];
  let at = 0;
  for (const match of text.matchAll(placeholder)) {
    parts.push(text.slice(at, match.index), partOf(match, random));
    at = match.index + match[0].length;
  }
  parts.push(text.slice(at));
  return {
    isConstant: parts.length === 1,
    render: (number) => parts.map((part) => (typeof part === 'string' ? part : part(number))).join(''),
  };
}

function partOf([text, low, high]: RegExpExecArray, random: () => number): (number: number) => string {
  if (low === undefined || high === undefined) return String;
  const [from, to] = [Number(low), Number(high)];
  if (to < from) throw new TidepoolError('invalid', `${text} has its numbers the wrong way round`);
  return () => String(from + Math.floor(random() * (to - from + 1)));
}
