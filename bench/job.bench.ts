import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { ApiClient } from '../src/cli/client.ts';
import { JobClient } from '../src/cli/job-client.ts';
import { findServer } from '../src/config/connection.ts';
import { startServer, temporaryFolder } from '../test/support/server.ts';
import { prepareByHand } from './by-hand.ts';
import { alternate, type Bench, timeMs } from './harness.ts';

const script = 'print("first line")\n';

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
      const byHand = await prepareByHand(client, vm.name, script, folder.path);
      await firstLineMs(jobs, path);
      await byHand(1);
      return await alternate(
        context,
        () => firstLineMs(jobs, path),
        async () => {
          const tookMs = await byHand(1);
          context.log(`by hand ${tookMs} ms`);
          return tookMs;
        },
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

export default job;
