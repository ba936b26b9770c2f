import type { ApiClient } from '../cli/client.ts';
import { TidepoolError } from '../domain/errors.ts';
import { command, eventsSince, type RunningCommand, type Stage, waitFor, waitForCounts } from './stage.ts';

/** Files and names of the demonstration. */
export interface Props {
  /** Paths of the examples. */
  readonly job: string;
  readonly service: string;
  /** Where the load client records what it sees. */
  readonly recording: string;
}

/** What happened, for the summary. */
export interface Account {
  readonly jobMs: number;
  readonly deployMs: number;
  /** VMs in service at the most. */
  readonly most: number;
  readonly growMs: number;
  /** From the power cut until its VM was known to be lost, and until another served in its place. */
  readonly noticedMs: number;
  readonly repairMs: number;
  readonly shrinkMs: number;
  readonly load: LoadSummary;
}

/** The part of `load --json` that is told. */
export interface LoadSummary {
  readonly requests: number;
  readonly lost: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const service = 'fibonacci';
/** The autoscaling policy of the service, which the configuration of the server has to define. */
export const demoPolicy = 'demo';
const growLimitMs = 180_000;
const repairLimitMs = 120_000;
const shrinkLimitMs = 180_000;
const quietMs = 8_000;
const lightest = 16;
const heaviest = 35;
const enoughMs = 22;
/** The load client tries a little longer than any answer takes. */
const lastAnswersMs = 40_000;

/**
 * The whole story, on real VMs: a job, a service, more load, a power cut, less load. Each act waits until what it is about
 * has happened. Errors: `timeout` when it did not, `upstream` when a command failed.
 */
export async function play(stage: Stage, client: ApiClient, props: Props): Promise<Account> {
  stage.say('Act 1: a machine-learning job, and beside it a service is deployed');
  const beganMs = stage.now();
  const job = command(stage, ['run', props.job, '--runtime', 'ml', '--timeout', '400s'], 'job').then(
    () => stage.now() - beganMs,
  );
  job.catch(() => undefined); // It is awaited below, which may be long after it failed.
  const sizes = ['--min', '1', '--max', '3', '--warm', '1', '--policy', demoPolicy, '--timeout', '60s'];
  await command(stage, ['service', 'deploy', props.service, '--name', service, ...sizes], 'deploy');
  const deployMs = stage.now() - beganMs;

  stage.say('Act 2: some requests, which one VM answers with ease');
  const load = stage.start([
    'load',
    service,
    '--path',
    `/${await weight(stage)}`,
    '--rates',
    '1,5,12',
    '--record',
    props.recording,
    '--timeout',
    '90s',
    '--json',
  ]);
  try {
    load.type('low');
    await stage.sleep(quietMs);
    const risen = await rise(stage, client, load);
    const fallen = await fall(stage, client, load);
    return { deployMs, ...risen, ...fallen, jobMs: await job };
  } finally {
    load.interrupt();
  }
}

type Rise = Pick<Account, 'most' | 'growMs' | 'noticedMs' | 'repairMs'>;

async function rise(stage: Stage, client: ApiClient, load: RunningCommand): Promise<Rise> {
  stage.say('Act 3: many requests; the pool grows');
  const highMs = stage.now();
  load.type('high');
  const grown = await waitForCounts(stage, client, service, 'growing', growLimitMs, ({ ready }) => ready >= 2);
  const growMs = stage.now() - highMs;
  stage.say('The VM that was warm serves; another is booted, so that there is one in reserve again');
  await waitForCounts(stage, client, service, 'a VM in reserve', growLimitMs, ({ warm }) => warm >= 1);
  await stage.sleep(quietMs);

  const victim = (await client.vms()).find((vm) => vm.pool === service && vm.state === 'ready');
  if (victim === undefined) throw new TidepoolError('internal', 'no VM is in service');
  stage.say(`Act 4: the power of ${victim.name} is cut, under full load`);
  const cutMs = stage.now();
  await stage.killVm(victim.name);
  const isLost = async (): Promise<number | undefined> =>
    (await eventsSince(client, service, cutMs)).find((one) => one.name === 'vm.failed' && one.vm === victim.name)?.atMs;
  const lostMs = (await waitFor(stage, 'noticing the loss', repairLimitMs, isLost, (at) => at !== undefined)) ?? cutMs;
  const isReplaced = async (): Promise<boolean> =>
    (await eventsSince(client, service, lostMs)).some((one) => one.name === 'vm.launched');
  await waitFor(stage, 'the repair', repairLimitMs, isReplaced, (done) => done);
  const repairMs = stage.now() - cutMs;
  await stage.sleep(quietMs);
  const { counts } = await client.pool(service);
  return { most: Math.max(grown.counts.ready, counts.ready), growMs, noticedMs: lostMs - cutMs, repairMs };
}

async function fall(
  stage: Stage,
  client: ApiClient,
  load: RunningCommand,
): Promise<Pick<Account, 'shrinkMs' | 'load'>> {
  stage.say('Act 5: few requests again; the pool shrinks to one VM');
  const lowMs = stage.now();
  load.type('low');
  await waitForCounts(stage, client, service, 'shrinking', shrinkLimitMs, ({ ready }) => ready === 1);
  const shrinkMs = stage.now() - lowMs;
  stage.say('Act 6: the load client ends the run, and shuts the VMs of the service down');
  load.type('exit');
  const late = stage.sleep(lastAnswersMs).then(() => undefined);
  const end = await Promise.race([load.ended, late]);
  if (end === undefined) throw new TidepoolError('timeout', 'the load client did not end');
  return { shrinkMs, load: loadSummary(end.stdout) };
}

/**
 * A number whose computation keeps a VM of this host busy for some hundredths of a second, so that 12 requests a second are
 * more than one VM should have and not more than it can do.
 */
async function weight(stage: Stage): Promise<number> {
  const { address } = JSON.parse(await command(stage, ['service', 'show', service, '--json'])) as ServiceFacts;
  const tookMs = async (n: number): Promise<number> => {
    const beganMs = stage.now();
    const answer = await fetch(`http://${address.host}:${address.port}/${n}`, { signal: stage.signal });
    await answer.arrayBuffer();
    return stage.now() - beganMs;
  };
  for (let n = lightest; n < heaviest; n += 1) {
    const times = [await tookMs(n), await tookMs(n), await tookMs(n)];
    if (Math.min(...times) >= enoughMs) return n;
  }
  return heaviest;
}

interface ServiceFacts {
  readonly address: { readonly host: string; readonly port: number };
}

/** What is read of the object that `load --json` prints. */
interface LoadResult {
  readonly requests: { readonly ended: number; readonly failed: number };
  readonly latencyMs: { readonly p50: number | null; readonly p99: number | null };
}

function loadSummary(stdout: string): LoadSummary {
  const { requests, latencyMs } = JSON.parse(stdout) as LoadResult;
  return { requests: requests.ended, lost: requests.failed, p50Ms: latencyMs.p50 ?? 0, p99Ms: latencyMs.p99 ?? 0 };
}
