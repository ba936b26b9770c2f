import type { ZodError, z } from 'zod';

type Issue = z.core.$ZodIssue;

/** Maximum number of faults that one message names. */
const mostIssues = 20;

const kinds: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  null: 'null',
};

/** Returns all that is wrong with a value as lines `place: what it must be`, in the words of this project. Pure. */
export function issuesOf({ issues }: Pick<ZodError, 'issues'>): string {
  const lines = issues.slice(0, mostIssues).map((issue) => `  ${issueText(issue)}`);
  if (issues.length > mostIssues) lines.push(`  and ${issues.length - mostIssues} more`);
  return lines.join('\n');
}

function issueText(issue: Issue): string {
  const place = placeOf(issue.path);
  return place === '' ? issueWords(issue) : `${place}: ${issueWords(issue)}`;
}

function placeOf(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
}

/** Returns one fault without its place. Pure. */
export function issueWords(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type': {
      const isMissing = issue.message.endsWith('received undefined');
      return `${isMissing ? 'is missing; it ' : ''}must be ${kinds[issue.expected] ?? issue.expected}`;
    }
    case 'too_small':
      return `must ${sized(issue.origin, 'at least', issue.minimum, issue.inclusive === false)}`;
    case 'too_big':
      return `must ${sized(issue.origin, 'at most', issue.maximum, issue.inclusive === false)}`;
    case 'invalid_value':
      return `must be ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`;
    case 'unrecognized_keys':
      return `there is nothing named ${issue.keys.map((key) => JSON.stringify(key)).join(', ')} here; check the spelling`;
    case 'invalid_format':
      return isOurs(issue) ? `must be ${issue.message}` : `must be of the form ${issue.pattern ?? issue.format}`;
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`;
    case 'invalid_key':
      return `this name is not allowed: ${issue.issues.map(issueWords).join('; ')}`;
    case 'invalid_union':
      return unionWords(issue);
    default:
      return issue.message;
  }
}

/** The library's own words begin with this one. */
function isOurs({ message }: Issue): boolean {
  return !message.startsWith('Invalid');
}

function unionWords(issue: Extract<Issue, { code: 'invalid_union' }>): string {
  const choices = [...new Set(issue.errors.flatMap((errors) => errors.slice(0, 1).map(issueText)))];
  return choices.length === 0 ? 'is none of the kinds that are known' : choices.join(', or ');
}

function sized(origin: string, bound: 'at least' | 'at most', value: number | bigint, isOpen: boolean): string {
  if (origin === 'string') return `have ${bound} ${value} characters`;
  if (origin === 'array' || origin === 'set') return `have ${bound} ${value} entries`;
  if (!isOpen) return `be ${bound} ${value}`;
  return `be ${bound === 'at least' ? 'more' : 'less'} than ${value}`;
}
