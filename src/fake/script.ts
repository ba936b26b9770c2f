import type { SyntaxProblem } from '../protocol/agent.ts';

/** One statement that the fake agent can carry out. */
export type Step =
  | { readonly kind: 'print'; readonly stream: 'stdout' | 'stderr'; readonly text: string }
  | { readonly kind: 'sleep'; readonly ms: number }
  | { readonly kind: 'write'; readonly path: string; readonly text: string }
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'exhaust'; readonly limit: 'memory' };

const patterns: readonly (readonly [RegExp, (match: readonly string[]) => Step | undefined])[] = [
  [/^$|^#.*$|^import [a-z, ]+$/, () => undefined],
  [/^print\('([^']*)'\)$/, ([, text = '']) => ({ kind: 'print', stream: 'stdout', text: `${text}\n` })],
  [
    /^print\('([^']*)', file=sys\.stderr\)$/,
    ([, text = '']) => ({ kind: 'print', stream: 'stderr', text: `${text}\n` }),
  ],
  [/^print\((\d+)\)$/, ([, text = '']) => ({ kind: 'print', stream: 'stdout', text: `${text}\n` })],
  [/^time\.sleep\(([\d.]+)\)$/, ([, seconds]) => ({ kind: 'sleep', ms: Number(seconds) * 1000 })],
  [/^open\('([^']+)', 'w'\)\.write\('([^']*)'\)$/, ([, path = '', text = '']) => ({ kind: 'write', path, text })],
  [/^sys\.exit\((\d+)\)$/, ([, code]) => ({ kind: 'exit', code: Number(code) })],
  [/^bytearray\(1 << 60\)$/, () => ({ kind: 'exhaust', limit: 'memory' })],
];

/**
 * Reads a script of the few statements, one a line, that the fake understands; real Python understands them alike
 * (conformance/agent-link.ts runs the same scripts on both). Any other line is a syntax error there.
 */
export function readScript(file: string, source: string): Step[] | SyntaxProblem {
  const steps: Step[] = [];
  for (const [index, line] of source.split('\n').entries()) {
    const found = patterns.find(([pattern]) => pattern.test(line));
    if (found === undefined) return { file, line: index + 1, column: 1, message: 'invalid syntax', text: line };
    const [pattern, step] = found;
    const read = step(pattern.exec(line) ?? []);
    if (read !== undefined) steps.push(read);
  }
  return steps;
}
