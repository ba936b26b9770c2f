import { createRequire } from 'node:module';
import { figures } from './figures.ts';

/** autocannon as fast as it can: `autocannon.ts PORT CONNECTIONS SECONDS`; prints Figures. */
const [port = 0, connections = 0, duration = 0] = process.argv.slice(2).map(Number);
// It has no types.
const autocannon = createRequire(import.meta.url)('autocannon');
const before = process.cpuUsage();
const result = await autocannon({ url: `http://127.0.0.1:${port}/`, connections, duration });
const { '2xx': ok, non2xx, errors } = result;
process.stdout.write(JSON.stringify(figures({ ok, failed: non2xx + errors, seconds: result.duration }, before)));
