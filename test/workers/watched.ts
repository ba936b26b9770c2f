import { systemClock } from '../../src/agent/clock.ts';
import { Watchdog } from '../../src/worker/watchdog.ts';

/** A worker's process with its watchdog and nothing else: `watched.ts CGROUP UNTIL_MS`. */
const [cgroup = '', untilMs = ''] = process.argv.slice(2);
const log = (line: string): void => void process.stdout.write(`${line}\n`);
await new Watchdog({ cgroup, lease: { untilMs: Number(untilMs) }, clock: systemClock, log }).start();
log('watched');
