import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Mutation, mutations } from './mutations.ts';

const root = new URL('../../', import.meta.url);
/**
 * Each change of the product or of the simulation gives all seeds another course. So the seeds after the one that is written
 * down are played too before a bug counts as one that is not caught any more.
 */
const mostSeeds = 60;
const limitMs = 300_000;

for (const mutation of mutations) {
  const { file, from, why, seed, says } = mutation;
  test(`the simulation catches it: ${why}`, async (t) => {
    const text = readFileSync(new URL(file, root), 'utf8');
    assert.equal(text.split(from).length - 1, 1, `${file} must have this once: ${from}`);
    const [caughtBy, ...said] = (await playMutated(mutation)).split(' ');
    assert.notEqual(said.length, 0, `no seed of ${seed} to ${seed + mostSeeds - 1} says "${says}"`);
    if (Number(caughtBy) !== seed) t.diagnostic(`seed ${caughtBy} catches it now, no longer ${seed}`);
  });
}

test('the table of mutations in mutations.md is that of mutations.ts', () => {
  const table = readFileSync(new URL('mutations.md', import.meta.url), 'utf8').split('\n');
  // The formatter pads the cells.
  const rows = table.filter((line) => line.startsWith('| `')).map((line) => line.replaceAll(/ +/g, ' '));
  assert.deepEqual(rows, mutations.map(rowOf));
});

async function playMutated(mutation: Mutation): Promise<string> {
  const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
  const args = ['--import', path('mutate.ts'), path('mutated.ts'), `${mutation.seed}`, `${mostSeeds}`, mutation.says];
  const env = { ...process.env, TIDEPOOL_MUTATION: JSON.stringify(mutation) };
  const { stdout } = await promisify(execFile)(process.execPath, args, { env, timeout: limitMs });
  return stdout.trim();
}

/** As it stands in the table: what is changed, why that is a bug, the seed, what the checker says. */
function rowOf({ file, from, to, why, seed, says }: Mutation): string {
  const code = (text: string): string => `\`${text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').trim()}\``;
  const change = to.trim() === '' ? `without ${code(from)}` : `${code(from)} becomes ${code(to)}`;
  return `| \`${file}\` | ${change} | ${why} | ${seed} | … ${says} … |`;
}
