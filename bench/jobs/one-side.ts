import { graphilePerSecond } from './graphile.ts';
import { oursPerSecond } from './ours.ts';

/** One measurement in a process of its own: `one-side.ts JOBS AT-ONCE [DATABASE]` prints jobs a second. */
const [jobs, atOnce, database] = process.argv.slice(2);
const load = { jobs: Number(jobs), atOnce: Number(atOnce), signal: new AbortController().signal };
const perSecond = await (database === undefined ? oursPerSecond(load) : graphilePerSecond(load, database));
process.stdout.write(`${perSecond}\n`);
