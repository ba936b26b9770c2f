import type { Readable } from 'node:stream';

/** Longer lines are cut, so that a writer who never ends one fills no memory. */
const keptCharacters = 2_000;

/** The lines of a pipe, without their ends; the last one may have none. */
export async function* inputLines(input: Readable): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of input.setEncoding('utf8')) {
    const parts = (rest + chunk).split('\n');
    rest = (parts.pop() ?? '').slice(0, keptCharacters);
    for (const part of parts) yield part.slice(0, keptCharacters).replace(/\r$/, '');
  }
  if (rest !== '') yield rest;
}
