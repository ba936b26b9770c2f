import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ApiClient } from '../cli/client.ts';
import { systemClock } from '../clock/system-clock.ts';
import { findServer } from '../config/connection.ts';
import { defaultCacheDir, prepareCacheDir } from '../config/paths.ts';
import { command, type Stage } from '../demo/stage.ts';
import { demoPolicy, play } from '../demo/story.ts';
import { shortcomings, summary } from '../demo/summary.ts';
import { Watch } from '../demo/watch.ts';
import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import { ensureImage, ensureRuntime } from './artifacts.ts';
import { type Child, killMachine, startTidepool } from './child.ts';
import { interruptSignal } from './interrupt.ts';
import { ensureSystem } from './system.ts';

/**
 * From the start of the server to the picture; image and runtimes are there by then. Some two minutes on two emulating cores
 * that have nothing else to do; five are what is promised.
 */
const limitMs = 285_000;
const stopLimitMs = 60_000;
const examples = fileURLToPath(new URL('../../examples/', import.meta.url));
/** One pool for jobs, which is empty until there is one. */
const config = {
  port: 0,
  pools: [{ name: 'default', prefix: 'demo', min: 0, max: 1, policies: ['queue'] }],
  policies: [
    { name: 'queue', kind: 'backlog', stabiliseInMs: 5_000 },
    // Emulated VMs share the host's few CPUs, so that none may ever come near to full use of its own.
    { name: demoPolicy, kind: 'target', cpu: 0.25, windowMs: 5_000, stabiliseInMs: 10_000 },
  ],
};

/**
 * `tidepool demo`: all of it once through, with a server, VMs and load of its own. Asks nothing, and leaves nothing but the
 * picture. @returns the exit code: 0 when everything happened that should
 */
export async function demo(page: string): Promise<number> {
  const interrupted = interruptSignal();
  await prepare(interrupted);
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-demo-'));
  const over = new AbortController();
  const cancel = systemClock.after(limitMs, () => over.abort(late()));
  try {
    return await withServer(folder, AbortSignal.any([interrupted, over.signal]), (signal) => {
      return perform(folder, resolve(page), signal, () => over.abort(gaveUp()));
    });
  } finally {
    cancel();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The first time this takes some minutes; it is not part of the show. */
async function prepare(signal: AbortSignal): Promise<void> {
  await ensureSystem();
  const cacheDir = defaultCacheDir();
  await prepareCacheDir(cacheDir);
  await ensureImage(cacheDir, systemClock, signal);
  for (const name of ['python', 'ml'] as const) await ensureRuntime(name, cacheDir, systemClock, signal);
}

async function withServer(
  folder: string,
  signal: AbortSignal,
  use: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const configFile = join(folder, 'config.json');
  await writeFile(configFile, JSON.stringify(config));
  print('$ npm start');
  const started = Promise.withResolvers<void>();
  let lastLine = '';
  const server = startTidepool(['serve', '--config', configFile], folder, (line) => {
    lastLine = line;
    if (line.startsWith('ready ')) started.resolve();
  });
  void server.ended.then(() => started.reject(new TidepoolError('unavailable', `the server ended: ${lastLine}`)));
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(reasonOf(signal)), { once: true });
  });
  aborted.catch(() => undefined); // Only for whom it is raced with.
  try {
    await Promise.race([started.promise, aborted]);
    return await Promise.race([use(signal), aborted]);
  } finally {
    await end(server);
  }
}

async function perform(folder: string, page: string, signal: AbortSignal, onQuit: () => void): Promise<number> {
  const told: string[] = [];
  const { stdin, stdout } = process;
  const connect = async (): Promise<{ client: ApiClient; server: string }> => {
    const server = await findServer(folder);
    return { client: new ApiClient(server), server: server.url };
  };
  const withColor = (process.env.NO_COLOR ?? '') === '';
  const watch = new Watch({ stdin, stdout, clock: systemClock, withColor, signal, connect });
  const stage = makeStage(folder, signal, (text) => {
    told.push(text);
    watch.say(text);
  });
  const recording = join(folder, 'demo.jsonl');
  watch.start(onQuit);
  try {
    const props = {
      job: join(examples, 'jobs/digits.py'),
      service: join(examples, 'services/fibonacci.py'),
      recording,
    };
    const account = await play(stage, await stage.client(), props);
    await watch.stop();
    await command(stage, ['report', recording, '--out', page]);
    const wrong = shortcomings(account).map((what) => `NOT AS IT SHOULD BE: ${what}`);
    print(['', ...(stdout.isTTY ? told : []), '', summary(account, page), ...wrong].join('\n'));
    return wrong.length === 0 ? 0 : 1;
  } catch (error) {
    await watch.stop();
    if (stdout.isTTY) print(told.join('\n'));
    throw toTidepoolError(error);
  }
}

function makeStage(folder: string, signal: AbortSignal, say: (text: string) => void): Stage {
  return {
    signal,
    say,
    now: () => systemClock.now(),
    sleep: (ms) => systemClock.sleep(ms, signal),
    killVm: killMachine,
    client: async () => new ApiClient(await findServer(folder)),
    start(args, label) {
      say(`$ ./tidepool ${args.join(' ')}`);
      const child = startTidepool(args, folder, (line) => {
        if (label !== undefined) say(`${label}: ${line}`);
      });
      const interrupt = (): void => void child.process.kill('SIGINT');
      signal.addEventListener('abort', interrupt, { once: true });
      return { ended: child.ended, interrupt, type: (line) => void child.process.stdin?.write(`${line}\n`) };
    },
  };
}

/** Its VMs go with it. */
async function end(server: Child): Promise<void> {
  server.process.kill('SIGINT');
  const cancel = systemClock.after(stopLimitMs, () => server.process.kill('SIGKILL'));
  await server.ended;
  cancel();
}

function late(): TidepoolError {
  return new TidepoolError('timeout', `the demonstration did not end within ${limitMs / 1_000} s`);
}

function gaveUp(): TidepoolError {
  return new TidepoolError('aborted', 'interrupted');
}

function reasonOf(signal: AbortSignal): unknown {
  return signal.reason instanceof TidepoolError ? signal.reason : gaveUp();
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
