import { play } from './play.ts';

/** Plays seeds from the first one on until one fails as it is to, and prints which, and what the checker said. */
const [first = '1', most = '1', says = ''] = process.argv.slice(2);

for (let seed = Number(first); seed < Number(first) + Number(most); seed += 1) {
  const { problem = '' } = await play(seed);
  const [said = ''] = problem.split('\n');
  if (problem === '' || !said.includes(says)) continue;
  process.stdout.write(`${seed} ${said}\n`);
  break;
}
