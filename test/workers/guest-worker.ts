import { systemClock } from '../../src/agent/clock.ts';
import { runWorker } from '../../src/worker/run.ts';

/** A worker in a guest: `guest-worker.ts SERVER_PORT NAME FOLDER TOKEN`, with the server at that port of the guest. */
const [serverPort = '', name = '', folder = '', token = ''] = process.argv.slice(2);
const log = (line: string): void => void process.stdout.write(`${line}\n`);

const [leaving, ending] = [new AbortController(), new AbortController()];
process.on('SIGTERM', () => (leaving.signal.aborted ? ending : leaving).abort());
const sendTerm = (pid: number): void => {
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // It ended by itself.
  }
};
await runWorker({
  ...{ url: `http://127.0.0.1:${serverPort}`, token, name, folder, version: 'test', cgroups: '/sys/fs/cgroup' },
  ...{ share: { memoryBytes: 700 * 1024 ** 2 }, pid: process.pid, clock: systemClock, sendTerm, log },
  ...{ leaving: leaving.signal, ending: ending.signal },
}).then(
  () => log('exit 0'),
  (error: unknown) => log(`exit 1 ${String(error)}`),
);
process.exit();
