import type { EventData } from 'node:test';
import { inspect } from 'node:util';

type Ended =
  | { readonly type: 'test:pass'; readonly data: EventData.TestPass }
  | { readonly type: 'test:fail'; readonly data: EventData.TestFail };

/** A test that node:test cancelled. Why is known only when the group around it has ended. */
interface Cancelled {
  readonly title: string;
  readonly nesting: number;
  readonly problem: string;
}

/**
 * Counts the tests of one file and keeps what is to be said about its failures. Groups are not counted, but a group whose
 * own hook or body failed is a failure: its error is the cause of everything that was cancelled in it.
 */
export class Findings {
  passed = 0;
  failed = 0;
  skipped = 0;
  /** For a person, in the order in which they happened; a cause stands before its consequences. */
  readonly failures: string[] = [];
  hookFailed = false;
  readonly #file: string;
  #cancelled: Cancelled[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  fail(title: string, problem: string): void {
    this.failed += 1;
    this.failures.push(`FAILED ${this.#file}: ${title}\n${problem}`);
  }

  /** @param path the file's own path, which is the name of the event for the whole file */
  add(event: Ended, path: string): void {
    const { name, skip, todo, line, nesting, details } = event.data;
    if (skip !== undefined || todo !== undefined) {
      if (details.type !== 'suite') this.skipped += 1;
      return;
    }
    const title = name === path ? 'the file itself' : `${name} (line ${line})`;
    if (event.type === 'test:pass') {
      if (details.type === 'suite') return;
      if (name === path) this.fail('no tests', 'the file ran, and has no test in it');
      else this.passed += 1;
      return;
    }
    const { error } = event.data.details;
    const how = 'failureType' in error ? String(error.failureType) : '';
    if (how === 'cancelledByParent') {
      // A group that was cancelled is explained by the tests in it.
      if (details.type !== 'suite') this.#cancelled.push({ title, nesting, problem: problemOf(error) });
      return;
    }
    const isHook = how === 'hookFailed';
    this.hookFailed ||= isHook;
    const inside = this.#cancelled.filter((one) => one.nesting > nesting);
    this.#cancelled = this.#cancelled.filter((one) => one.nesting <= nesting);
    if (details.type === 'suite' && how === 'subtestsFailed') {
      for (const one of inside) this.fail(one.title, one.problem);
      return;
    }
    // A hook that failed before anything ran in the group cancels all of it.
    const kind = details.type === 'suite' ? (inside.length > 0 ? 'before hook' : 'hook') : 'hook';
    this.fail(isHook ? `a ${kind} of ${title}` : title, problemOf(error));
    const cause = `${isHook ? `the ${kind} of ${name}` : name} failed: ${firstLineOf(error)}`;
    for (const one of inside) this.fail(one.title, `it was cancelled, because ${cause}`);
  }

  /** Reports what no group explained. */
  end(): void {
    for (const one of this.#cancelled) this.fail(one.title, one.problem);
    this.#cancelled = [];
  }
}

/** The error as the test threw it, without the wrapping of node:test. */
function problemOf(error: Error): string {
  return inspect(error.cause ?? error, { depth: 8, maxArrayLength: 200, maxStringLength: 20_000 });
}

function firstLineOf(error: Error): string {
  const cause = error.cause ?? error;
  const text = cause instanceof Error ? cause.message : inspect(cause);
  return text.split('\n')[0] ?? '';
}
