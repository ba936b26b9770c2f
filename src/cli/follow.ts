import { once } from 'node:events';
import { Writable } from 'node:stream';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { hasCode, TidepoolError } from '../domain/errors.ts';
import { type JobView, jobSchema, outputEventSchema } from '../protocol/api.ts';
import { harmless } from './harmless.ts';
import type { JobClient } from './job-client.ts';

/** Where a job's output goes. */
export interface OutputSinks {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
}

/** A server that restarts is back within this; then the log goes on where it was. */
const reconnectForMs = 60_000;
const reconnectPauseMs = 500;

/**
 * Writes a job's output as it comes until the job ended, through restarts of the server and of the job. The error sink gets a
 * line when the server does not answer, when it answers again, and when another attempt begins.
 * @param sleep waits the given milliseconds
 * @param start `ATTEMPT:OFFSET` to begin at, the beginning unless given
 */
export async function followJob(
  client: JobClient,
  id: string,
  sinks: OutputSinks,
  sleep: (ms: number) => Promise<void>,
  start?: string,
): Promise<JobView> {
  let from = start;
  const notice = (text: string): void => void sinks.stderr.write(`tidepool: ${text}\n`);
  let triesLeft = reconnectForMs / reconnectPauseMs;
  let isAway = false;
  for (;;) {
    try {
      const log = await client.logs(id, true, from);
      if (isAway) notice('the server answers again');
      isAway = false;
      for await (const event of parsed(log)) {
        triesLeft = reconnectForMs / reconnectPauseMs;
        const [before, now] = [attemptOf(from), attemptOf(event.id)];
        if (before !== undefined && now !== undefined && now > before)
          notice(`attempt ${before} could not go on; what follows is of attempt ${now}, from the beginning`);
        if (event.event === 'end') return jobSchema.parse(JSON.parse(event.data));
        if (event.event === 'output') await write(sinks, event.data);
        from = event.id ?? from;
      }
    } catch (error) {
      if (error instanceof TidepoolError && !hasCode(error, 'unavailable')) throw error;
      if (triesLeft <= 0) throw error;
      if (!isAway) notice(`the server does not answer; trying again for ${reconnectForMs / 1_000} s`);
      isAway = true;
    }
    triesLeft -= 1;
    await sleep(reconnectPauseMs);
  }
}

/** @param position `ATTEMPT:OFFSET` */
function attemptOf(position: string | undefined): number | undefined {
  const attempt = Number(position?.split(':')[0]);
  return Number.isInteger(attempt) && attempt > 0 ? attempt : undefined;
}

/** What is there of a job's output now, from a position on. Error: `upstream`, after what is readable, when the log is damaged. */
export async function printLog(client: JobClient, id: string, sinks: OutputSinks, start?: string): Promise<void> {
  let damage: string | undefined;
  for await (const event of parsed(await client.logs(id, false, start))) {
    if (event.event === 'output') await write(sinks, event.data);
    // A notice has said what it is.
    if (event.event === 'damaged') damage = 'not all of the output could be read';
  }
  if (damage !== undefined) throw new TidepoolError('upstream', damage);
}

function parsed(
  stream: ReadableStream<Uint8Array>,
): ReadableStream<{ event?: string | undefined; id?: string | undefined; data: string }> {
  const text = stream.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>);
  return text.pipeThrough(new EventSourceParserStream());
}

async function write(sinks: OutputSinks, data: string): Promise<void> {
  const output = outputEventSchema.parse(JSON.parse(data));
  const sink = output.stream === 'stdout' ? sinks.stdout : sinks.stderr;
  if (!sink.write(Buffer.from(output.base64, 'base64'))) await once(sink, 'drain');
}

/** The same, for somebody to read who did not write the script: without what could rewrite the terminal. */
export function harmlessSinks({ stdout, stderr }: OutputSinks): OutputSinks {
  return { stdout: harmlessSink(stdout), stderr: harmlessSink(stderr) };
}

function harmlessSink(sink: NodeJS.WritableStream): NodeJS.WritableStream {
  const decoder = new TextDecoder();
  return new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      // A letter may come in two pieces, so the decoder keeps what is not whole.
      if (sink.write(harmless(decoder.decode(chunk, { stream: true })))) done();
      else sink.once('drain', () => done());
    },
  });
}
