import { once } from 'node:events';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { agentProtocol } from '../../src/protocol/agent.ts';
import { jobListSchema } from '../../src/protocol/api.ts';
import {
  workerInstanceHeader,
  workerLinkPath,
  workerNameHeader,
  workerProtocolHeader,
  workerUpgrade,
} from '../../src/protocol/worker.ts';
import { joinedInstance, joinedName } from './fill.ts';

const joinAtOnce = 32;
const submitEveryMs = 300;

/** Where a control plane listens, and the administrator's token. */
export interface Server {
  readonly url: string;
  readonly token: string;
}

/** Requests of two dashboards, `tidepool top`, `tidepool worker list` and Prometheus, and how often they come. */
const asked: readonly (readonly [everyMs: number, path: string])[] = [
  ...[0, 1].flatMap((): (readonly [number, string])[] => [
    [1_000, '/api/v1/usage?sinceMs='],
    [2_000, '/api/v1/jobs?limit=50'],
    [2_000, '/api/v1/pools'],
    [2_000, '/api/v1/vms'],
    [2_000, '/api/v1/hosts'],
    [2_000, '/api/v1/services'],
  ]),
  [1_000, '/api/v1/pools'],
  [1_000, '/api/v1/vms'],
  [1_000, '/api/v1/usage?sinceMs='],
  [2_000, '/api/v1/jobs?state=running&limit=200'],
  [5_000, '/api/v1/events?limit=1000'],
  [5_000, '/api/v1/workers'],
  [5_000, '/metrics'],
  [5_000, '/api/v1/health'],
];

/** Joins workers by the way that they have. Their links last as long as the server. */
export async function joinWorkers(server: Server, count: number, signal: AbortSignal): Promise<void> {
  let next = 0;
  const join = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) {
      signal.throwIfAborted();
      await joinWorker(server, i);
    }
  };
  await Promise.all(Array.from({ length: joinAtOnce }, join));
}

async function joinWorker({ url, token }: Server, i: number): Promise<void> {
  const headers = {
    ...{ authorization: `Bearer ${token}`, connection: 'Upgrade', upgrade: workerUpgrade },
    [workerNameHeader]: joinedName(i),
    [workerInstanceHeader]: joinedInstance(i),
    [workerProtocolHeader]: String(agentProtocol),
  };
  const asking = request(new URL(workerLinkPath, url), { headers, agent: false });
  asking.end();
  const [, socket] = (await Promise.race([
    once(asking, 'upgrade'),
    once(asking, 'response').then(([{ statusCode }]) => refused(workerLinkPath, statusCode)),
  ])) as [unknown, Socket];
  socket.on('error', () => socket.destroy());
}

/**
 * Asks as people and programs do until the signal fires. Returns the number of answers; each is a good one.
 * @param submits whether jobs are submitted as well
 */
export async function askAround(server: Server, signal: AbortSignal, submits: boolean): Promise<number> {
  let answers = 0;
  const every = async (everyMs: number, ask: () => Promise<void>): Promise<void> => {
    while (!signal.aborted) {
      const pause = sleep(everyMs);
      await ask();
      answers += 1;
      await pause;
    }
  };
  const lists = asked.map(([everyMs, path]) =>
    every(everyMs, () => get(server, path.endsWith('=') ? `${path}${Date.now() - everyMs}` : path)),
  );
  const jobs = every(2_000, () => openJob(server));
  const submissions = submits ? [every(submitEveryMs, () => submit(server))] : [];
  await Promise.all([...lists, jobs, ...submissions]);
  return answers;
}

/** The page of a job. */
async function openJob(server: Server): Promise<void> {
  const list = await answerTo(server, '/api/v1/jobs?limit=1');
  const path = `/api/v1/jobs/${jobListSchema.parse(await list.json()).jobs[0]?.id}`;
  await Promise.all([get(server, path), get(server, `${path}/attempts`), get(server, `${path}/files`)]);
}

async function submit({ url, token }: Server): Promise<void> {
  const body = new FormData();
  body.set('script', new Blob(['pass\n']), 'job.py');
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(new URL('/api/v1/jobs', url), { method: 'POST', headers, body });
  if (answer.status !== 201) refused('/api/v1/jobs', answer.status);
  await answer.arrayBuffer();
}

async function get(server: Server, path: string): Promise<void> {
  await (await answerTo(server, path)).arrayBuffer();
}

async function answerTo({ url, token }: Server, path: string): Promise<Response> {
  const answer = await fetch(new URL(path, url), { headers: { authorization: `Bearer ${token}` } });
  return answer.ok ? answer : refused(path, answer.status);
}

function refused(path: string, status: number | undefined): never {
  throw new RangeError(`${path} was answered with ${status}`);
}
