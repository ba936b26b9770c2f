import { randomUUID } from 'node:crypto';
import { createServer, request, type Server } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { systemClock } from '../../src/clock/system-clock.ts';
import type { Balancer } from '../../src/domain/balancer.ts';
import { type HaproxyOptions, openHaproxyBalancer } from '../../src/haproxy/balancer.ts';
import { processesWith } from '../../src/processes/process-table.ts';
import type { BalancerHarness, HarnessAnswer, HarnessRequest, HarnessServer } from '../conformance/balancer.ts';
import { freePort } from './free-port.ts';
import { temporaryFolder } from './server.ts';

const host = '127.0.0.1';
/** What requests under way are to wait for, by the name that their query has. */
const holds = new Map<string, Promise<void>>();

/** A real HAProxy in a folder of its own, with servers in this process. */
export interface HaproxyHarness extends BalancerHarness {
  readonly folder: string;
  /** What it said. */
  readonly log: readonly string[];
  send(port: number, request?: HarnessRequest & { readonly status?: number }): Promise<HarnessAnswer>;
  /** The ids of its processes. */
  processes(): Promise<number[]>;
}

export async function haproxyHarness(fields: Partial<HaproxyOptions> = {}): Promise<HaproxyHarness> {
  const folder = await temporaryFolder('front-door');
  const log: string[] = [];
  const servers: HarnessServer[] = [];
  const processes = async (): Promise<number[]> =>
    (await processesWith(`${folder.path}/master.sock,mode,600`)).map(({ pid }) => pid);
  const options: HaproxyOptions = {
    folder: folder.path,
    clock: systemClock,
    path: process.env.PATH,
    kill: (pid, signal) => void process.kill(pid, signal),
    log: (message) => log.push(message),
    ...fields,
  };
  return {
    folder: folder.path,
    log,
    processes,
    open: (): Promise<Balancer> => openHaproxyBalancer(options),
    startServer: async (name) => {
      const server = await startHttpServer(name);
      servers.push(server);
      return server;
    },
    freePort,
    takePort,
    send,
    kill: async () => {
      for (const pid of await processes()) process.kill(pid, 'SIGKILL');
    },
    dispose: async () => {
      await Promise.all(servers.map((server) => server.kill()));
      await folder.remove();
    },
  };
}

/** Answers `/?ms=N&status=S` after N ms with its own address, `/?hold=NAME` when that is over; is well at `/health`. */
export async function startHttpServer(name: string): Promise<HarnessServer> {
  let server: Server | undefined;
  const port = await freePort();
  const listen = async (): Promise<void> => {
    const fresh = createServer((incoming, response) => {
      const query = new URL(incoming.url ?? '/', 'http://server').searchParams;
      const workMs = Number(query.get('ms') ?? 0);
      const { localAddress, localPort } = incoming.socket;
      incoming.resume().on('end', async () => {
        if (workMs > 0) await systemClock.sleep(workMs);
        await holds.get(query.get('hold') ?? '');
        response.writeHead(Number(query.get('status') ?? 200)).end(`${localAddress}:${localPort}`);
      });
    });
    server = fresh;
    await new Promise<void>((resolve, reject) => fresh.once('error', reject).listen(port, host, resolve));
  };
  await listen();
  const address = { name, host, port };
  return {
    serving: { ...address, state: 'serving' },
    draining: { ...address, state: 'draining' },
    kill: () =>
      new Promise((resolve) => {
        server?.close(() => resolve());
        server?.closeAllConnections();
      }),
    revive: listen,
  };
}

/** One request on a connection of its own. */
export function send(port: number, wanted: HarnessRequest & { status?: number } = {}): Promise<HarnessAnswer> {
  const { method = 'GET', workMs = 0, until, bodyBytes = 0, status = 200 } = wanted;
  const hold = until === undefined ? '' : randomUUID();
  if (until !== undefined) holds.set(hold, until);
  return new Promise<HarnessAnswer>((resolve, reject) => {
    const outgoing = request(
      { host, port, method, path: `/?ms=${workMs}&status=${status}&hold=${hold}`, agent: false },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, server: text.startsWith('{') ? '' : text }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(bodyBytes > 0 ? Buffer.alloc(bodyBytes, 'x') : undefined);
  }).finally(() => holds.delete(hold));
}

async function takePort(port: number): Promise<() => Promise<void>> {
  const server = createTcpServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  return () => new Promise((resolve) => server.close(() => resolve()));
}
