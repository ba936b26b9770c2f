import type { ServiceSpec } from '../protocol/agent-service.ts';

/** What starting a service does, in its order, until it serves (`serve`) or does not. */
export type ServiceStep =
  | { readonly kind: 'sleep'; readonly ms: number }
  | { readonly kind: 'store'; readonly op: 'put' | 'get'; readonly key: string; readonly value: string }
  | { readonly kind: 'fail'; readonly message: string; readonly traceback: string }
  /** It ends by itself, and again whenever it is started. */
  | { readonly kind: 'end'; readonly how: string }
  | { readonly kind: 'serve' };

const patterns: readonly (readonly [RegExp, (match: readonly string[]) => ServiceStep])[] = [
  [/^time\.sleep\(([\d.]+)\)$/, ([, seconds]) => ({ kind: 'sleep', ms: Number(seconds) * 1_000 })],
  [
    /^store\.put\('([^']*)', '([^']*)'\)$/,
    ([, key = '', value = '']) => ({ kind: 'store', op: 'put', key, value: btoa(value) }),
  ],
  [/^print\(store\.get\('([^']*)'\)\.decode\(\)\)$/, ([, key = '']) => ({ kind: 'store', op: 'get', key, value: '' })],
  [/^raise (\w+)\('([^']*)'\)$/, ([, type = '', text = '']) => raised(`${type}: ${text}`)],
  [/^os\._exit\((\d+)\)$/, ([, code]) => ({ kind: 'end', how: `it ended with exit code ${code}` })],
];

/**
 * Reads what a service does when it is started. Of a handler the fake understands the few statements above, each on a line of
 * its own and not indented; real Python understands them alike (conformance/service-link.ts runs the same on both). A command
 * serves, but `false`, which ends, and `sleep`, which does not listen.
 */
export function readService(spec: ServiceSpec, files: ReadonlyMap<string, string>): ServiceStep[] {
  if (spec.entry.kind === 'command') return [commandStep(spec.entry.argv[0])];
  const lines = (files.get(spec.entry.file) ?? '').split('\n');
  const steps: ServiceStep[] = [];
  for (const line of lines) {
    const found = patterns.find(([pattern]) => pattern.test(line));
    if (found !== undefined) steps.push(found[1](found[0].exec(line) ?? []));
  }
  const isHandler = lines.some((line) => /^(async )?def handler\(/.test(line));
  return [...steps, isHandler ? { kind: 'serve' } : raised(`${spec.entry.file} defines no function handler`)];
}

function commandStep(program: string | undefined): ServiceStep {
  if (program === 'false') return { kind: 'end', how: 'it ended with exit code 1' };
  return program === 'sleep' ? { kind: 'sleep', ms: Number.POSITIVE_INFINITY } : { kind: 'serve' };
}

function raised(what: string): ServiceStep {
  const traceback = `Traceback (most recent call last):\n  File "/work/app.py", line 1, in <module>\n${what}\n`;
  return { kind: 'fail', message: what, traceback };
}
