import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { ApiClient } from '../src/cli/client.ts';
import { JobClient } from '../src/cli/job-client.ts';
import { findServer } from '../src/config/connection.ts';
import { GuestShell } from '../test/support/guest-shell.ts';
import { startServer, temporaryFolder } from '../test/support/server.ts';
import { alternate, type Bench, type BenchContext, timeMs } from './harness.ts';

const script = 'print("first line")\n';
const bundle = '/run/by-hand';
/** As `crun spec` writes it, with the runtime as root and our script as the process. */
const prepareByHand = [
  `mkdir -p ${bundle}/work`,
  `cd ${bundle} && rm -f config.json && crun spec`,
  `busybox sed -i 's#"path": "rootfs"#"path": "/runtimes/python"#; s#"terminal": true#"terminal": false#' ${bundle}/config.json`,
  `busybox sed -i 's#"sh"#"python3", "/work/x.py"#; s#"cwd": "/"#"cwd": "/work"#' ${bundle}/config.json`,
  `busybox sed -i 's#"mounts": \\[#"mounts": [{"destination":"/work","type":"bind","source":"${bundle}/work","options":["bind"]},#' ${bundle}/config.json`,
  `echo 'print("first line")' > ${bundle}/work/x.py`,
];

/** Ours: submit by the API until the first line of output is here. Baseline: `crun run` of it by hand in the same VM. */
const job: Bench = {
  name: 'job',
  question: 'how long from submit to the first line of output on an idle worker?',
  atMost: 2,
  run: async (context) => {
    const folder = await temporaryFolder('bench-job');
    const dataDir = join(folder.path, 'data');
    const path = join(folder.path, 'x.py');
    await writeFile(path, script);
    const server = await startServer(dataDir);
    try {
      const client = new ApiClient(await findServer(dataDir));
      const jobs = new JobClient(client);
      const [vm] = await client.vms();
      if (vm === undefined) throw new Error('no VM');
      const shell = new GuestShell(consoleOf(client, vm.name));
      for (const command of prepareByHand) await shell.run(command);
      await firstLineMs(jobs, path);
      await byHandMs(shell, context);
      return await alternate(
        context,
        () => firstLineMs(jobs, path),
        () => byHandMs(shell, context),
      );
    } finally {
      server.signal('SIGINT');
      await server.ended;
      await folder.remove();
    }
  },
};

async function firstLineMs(client: JobClient, path: string): Promise<number> {
  let id = '';
  const tookMs = await timeMs(async () => {
    id = (await client.submit({}, { script: path }, sleep)).id;
    for await (const event of await events(client, id)) if (event.event === 'output') return;
    throw new Error('the job ended without output');
  });
  // The worker is idle again before the next measurement.
  for await (const event of await events(client, id)) if (event.event === 'end') break;
  return tookMs;
}

async function events(client: JobClient, id: string): Promise<ReadableStream<{ event?: string | undefined }>> {
  const text = (await client.logs(id, true)).pipeThrough(
    new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>,
  );
  return text.pipeThrough(new EventSourceParserStream());
}

/** Timed in the guest, by its own clock, so that the console costs nothing. */
async function byHandMs(shell: GuestShell, context: BenchContext): Promise<number> {
  const uptime = 'busybox awk \'{print "at",$1}\' /proc/uptime';
  const said = await shell.run(`cd ${bundle}; ${uptime}; crun run by-hand; ${uptime}`);
  const [before, after] = [...said.matchAll(/at ([\d.]+)/g)].map((match) => Number(match[1]) * 1_000);
  if (before === undefined || after === undefined || !said.includes('first line')) throw new Error(`by hand: ${said}`);
  context.log(`by hand ${after - before} ms`);
  return after - before;
}

function consoleOf(client: ApiClient, name: string): Duplex {
  const socket = client.console(name);
  socket.binaryType = 'arraybuffer';
  const opened = new Promise<void>((resolve) => socket.addEventListener('open', () => resolve()));
  const duplex = new Duplex({
    read: () => undefined,
    write: (chunk, _encoding, done) => void opened.then(() => socket.send(chunk)).then(() => done(), done),
    destroy: (error, done) => {
      socket.close();
      done(error);
    },
  });
  socket.addEventListener('message', (event) => duplex.push(Buffer.from(event.data as ArrayBuffer)));
  socket.addEventListener('close', () => duplex.push(null));
  return duplex;
}

export default job;
