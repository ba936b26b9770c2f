import assert from 'node:assert/strict';
import type { BareMachine } from './machine.ts';

/** The pattern is that of the server's command line from its beginning, so that the shell does not find itself. */
const interruptServer = `
for process in /proc/[0-9]*; do
  case "$(tr '\\0' ' ' <"$process/cmdline")" in
    */bin/node\\ */src/cmd/tidepool.ts\\ serve*) kill -INT "\${process#/proc/}" ;;
  esac
done`;

/** What is run in a bare machine, from the first line to the last. Each throws when something is not as it should be. */
export const parts = {
  /** The first command: everything is installed and built, a job runs, the server ends and leaves nothing running. */
  async start(machine: BareMachine): Promise<void> {
    const server = machine.start('npm', 'start', '--', '--port', '0');
    const ready = await server.line(/^ready http/);
    assert.match(ready, /^ready http:\/\/127\.0\.0\.1:\d+$/);
    const output = await machine.run('./tidepool', 'run', 'examples/jobs/hello.py');
    assert.match(output, /hello/i);
    // As Ctrl-C does. npm passes the server's exit code on.
    await machine.run('sh', '-c', interruptServer);
    assert.equal(await server.ended, 0, 'npm start ends as it should');
    const left = (await machine.processes()).filter((line) => /qemu|haproxy|tidepool/.test(line));
    assert.deepEqual(left, [], 'nothing of ours runs on');
  },
  /** The fast stages: they need the npm packages and nothing of the system. */
  async check(machine: BareMachine): Promise<void> {
    await machine.run('npm', 'run', 'check');
  },
  /**
   * The part that is a stage of `npm test`: tests without the system on the fresh npm packages, then the installation of
   * every requirement, and tests that start cpio, Python, libvirt and QEMU with a busybox in it.
   */
  async sample(machine: BareMachine): Promise<void> {
    await machine.run('npm', 'run', 'check', '--', '--only', 'src/setup,src/image,src/agent/,test/tidy');
    await machine.run('npm', 'test', '--', '--only', 'test/image/,test/handlers/source,test/libvirt/oracle');
  },
  /** The second command. */
  async test(machine: BareMachine): Promise<void> {
    await machine.run('npm', 'test');
  },
} as const;
