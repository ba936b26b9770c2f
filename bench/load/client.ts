import { steadyClock } from '../../src/clock/steady-clock.ts';
import { Load } from '../../src/loadgen/load.ts';
import { messageOf } from '../../src/loadgen/message.ts';
import { figures } from './figures.ts';

/** Our load client as fast as it can: `client.ts PORT CONNECTIONS SECONDS`; prints Figures. */
const [port = 0, connections = 0, duration = 0] = process.argv.slice(2).map(Number);
const before = process.cpuUsage();
const load = new Load({
  clock: steadyClock,
  message: messageOf({ protocol: 'http', path: '/' }),
  timeoutMs: 10_000,
  mostInFlight: 10_000,
  lanesPerServer: connections,
  laneAgeMs: Number.POSITIVE_INFINITY,
});
load.setServers([{ name: 'server', host: '127.0.0.1', port }]);
load.setPace({ kind: 'max', connections });
// As it does while somebody looks on.
const look = setInterval(() => load.takeRecent(), 1_000);
await steadyClock.sleep(duration * 1_000);
const { ok, ended, seconds } = load.totals();
process.stdout.write(JSON.stringify(figures({ ok, failed: ended - ok, seconds }, before)));
clearInterval(look);
await load.end(1_000);
