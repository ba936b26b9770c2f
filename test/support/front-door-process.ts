import { systemClock } from '../../src/clock/system-clock.ts';
import { openHaproxyBalancer } from '../../src/haproxy/balancer.ts';

/** A control plane as far as the front door is concerned: opens it, applies services, and stays until it is killed. */
const [folder = '', services = '[]'] = process.argv.slice(2);
const balancer = await openHaproxyBalancer({
  folder,
  clock: systemClock,
  path: process.env.PATH,
  kill: (pid, signal) => void process.kill(pid, signal),
  log: (message) => process.stderr.write(`${message}\n`),
});
await balancer.apply(JSON.parse(services));
process.stdout.write('applied\n');
setInterval(() => undefined, 60_000);
