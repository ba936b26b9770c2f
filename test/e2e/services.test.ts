import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ApiClient } from '../../src/cli/client.ts';
import { ServiceClient } from '../../src/cli/service-client.ts';
import { findServer } from '../../src/config/connection.ts';
import { processesWith } from '../../src/processes/process-table.ts';
import type { VmView } from '../../src/protocol/api.ts';
import { qemuPid } from '../support/libvirt-harness.ts';
import { until } from '../support/poll.ts';
import { startServer, startTidepool, type TestServer, temporaryFolder, tidepool } from '../support/server.ts';
import { wrk } from '../support/wrk.ts';

/** Services as a user sees them: real VMs, the real HAProxy, requests from outside. No pool for jobs has a VM. */
const plates = { first: 300, more: 100_000 };
const config = {
  pools: [{ name: 'jobs', prefix: 'svc-jobs', min: 0, max: 1 }],
  services: { store: { maxKeys: plates.first + plates.more } },
};
const minute = 60_000;

let server: TestServer;
let client: ApiClient;
let dataDir: string;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

const start = async (): Promise<void> => {
  server = await startServer(dataDir, ['--config', join(folder.path, 'config.json')]);
  client = new ApiClient(await findServer(dataDir));
};
before(async () => {
  folder = await temporaryFolder('services');
  dataDir = join(folder.path, 'data');
  await writeFile(join(folder.path, 'config.json'), JSON.stringify(config));
  await start();
});
after(async () => {
  server.signal('SIGINT');
  assert.equal(await server.ended, 0, server.output());
  await folder.remove();
});

async function deploy(file: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await tidepool(dataDir, ['service', 'deploy', file, ...args]);
  assert.equal(code, 0, `${stdout}${stderr}`);
  return /at (http:\S+)/.exec(stdout)?.[1] ?? '';
}
const example = (name: string): string => `examples/services/${name}.py`;
const json = async (url: string, init: RequestInit = {}) => {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(3 * minute) });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};
/**
 * After a start of the server it takes a moment until the pools of services are there; and a VM that is ready becomes an
 * endpoint only when the front door has seen it answer.
 */
const inService = (pool: string, count: number): Promise<unknown> =>
  until(
    async () => ({
      counts: (await client.pools()).pools.find((one) => one.name === pool)?.counts,
      endpoints: await new ServiceClient(client).endpoints(pool),
    }),
    ({ counts, endpoints }) =>
      counts?.ready === count && counts.desired === count && counts.draining === 0 && endpoints.length === count,
    4 * minute,
  );
const readyVm = async (pool: string): Promise<VmView> =>
  (await client.vms()).find((one) => one.pool === pool && one.state === 'ready') ??
  assert.fail(`no VM of ${pool} is ready`);
const powerCut = async (pool: string): Promise<VmView> => {
  const vm = await readyVm(pool);
  process.kill(await qemuPid(vm.name), 'SIGKILL');
  return vm;
};
/** Until the server knows of it: before that the VM counts as one in service. */
const isNoticed = ({ name, createdAtMs }: VmView): Promise<unknown> =>
  until(
    () => client.vms(),
    (vms) => vms.every((vm) => vm.state !== 'ready' || vm.name !== name || vm.createdAtMs !== createdAtMs),
    minute,
  );
const remove = async (name: string): Promise<void> => {
  assert.equal((await tidepool(dataDir, ['service', 'delete', name])).code, 0);
  await until(
    () => client.vms(),
    (vms) => vms.every((vm) => vm.pool !== name),
    3 * minute,
  );
};

test('fibonacci: VMs come, go and are killed under load, and the control plane dies: no request fails; HAProxy comes back', {
  timeout: 10 * minute,
}, async () => {
  const url = await deploy(example('fibonacci'), '--min', '1', '--max', '3', '--warm', '1');
  const { status, body } = await json(`${url}/10`);
  assert.equal(status, 200);
  assert.deepEqual([body.input, body.result], [10, 55]);
  assert.match(String(body.server), /^fibonacci-\d{4}$/);
  const head = await fetch(`${url}/1`, { signal: AbortSignal.timeout(minute) });
  assert.match(head.headers.get('x-tidepool-server') ?? '', /^fibonacci-\d{4}$/);
  const negative = await json(`${url}/-5`);
  assert.equal(negative.status, 400);
  assert.match(String(negative.body.error), /negative/);

  const changes = startTidepool(dataDir, ['service', 'endpoints', 'fibonacci', '--watch', '--commands']);
  // On a busy machine it takes a while to start.
  await changes.prints('\n');
  const load = wrk(`${url}/5`, 45, 4);
  await client.scalePool('fibonacci', 2);
  await inService('fibonacci', 2);
  await client.scalePool('fibonacci', 1);
  await inService('fibonacci', 1);
  await client.scalePool('fibonacci', 2);
  await inService('fibonacci', 2);
  await isNoticed(await powerCut('fibonacci'));
  const seen = await load;
  assert.equal(seen.failed, 0, JSON.stringify(seen));
  assert.ok(seen.requests > 500, `${seen.requests} requests were enough of a load`);
  await inService('fibonacci', 2);

  server.signal('SIGKILL');
  await server.ended;
  const alone = await wrk(`${url}/5`, 3, 2);
  assert.equal(alone.failed, 0, 'the front door serves without the control plane');
  assert.ok(alone.requests > 10);
  await start();
  await inService('fibonacci', 2);
  assert.equal((await json(`${url}/7`)).body.result, 13);

  const frontDoor = await processesWith(join(dataDir, 'frontdoor', 'master.sock,mode,600'));
  assert.ok(frontDoor.length >= 2, 'a master and a worker');
  for (const { pid } of frontDoor) process.kill(pid, 'SIGKILL');
  const answer = await until(
    () => json(`${url}/8`).catch(() => undefined),
    (seen) => seen?.status === 200,
    minute,
  );
  assert.equal(answer?.body.result, 21);

  changes.child.kill('SIGINT');
  const { stdout, stderr } = await changes.done;
  const lines = stdout.trim().split('\n');
  assert.ok(lines.length >= 4, `${lines.join('; ')}; ${stderr}`);
  for (const line of lines) assert.match(line, /^[+-] 127\.0\.0\.1 \d+$/);
});

test('a revision that does not import is taken back with its traceback; the old one answers all the while', {
  timeout: 6 * minute,
}, async () => {
  const broken = join(folder.path, 'broken.py');
  await writeFile(broken, 'import nothing_of_this_name\n\ndef handler(request):\n    return "never"\n');
  const { address } = JSON.parse((await tidepool(dataDir, ['service', 'show', 'fibonacci', '--json'])).stdout);
  const url = `http://${address.host}:${address.port}`;
  const load = wrk(`${url}/5`, 15, 2);
  const { code, stdout, stderr } = await tidepool(dataDir, ['service', 'deploy', broken, '--name', 'fibonacci']);
  assert.equal(code, 1);
  assert.match(stdout + stderr, /ModuleNotFoundError: No module named 'nothing_of_this_name'/);
  assert.equal((await load).failed, 0);
  assert.equal((await json(`${url}/9`)).body.result, 34);
  await remove('fibonacci');
  const answers = (): Promise<boolean> =>
    json(`${url}/9`).then(
      () => true,
      () => false,
    );
  await until(answers, (isAnswered) => !isAnswered, 30_000);
});

test('licence: what one VM stored every other knows, also after the first was killed', {
  timeout: 8 * minute,
}, async () => {
  // Emulated VMs beside others that work may take longer for many plates than a request usually may.
  const url = await deploy(example('licence'), '--min', '1', '--max', '2', '--timeout', '10m');
  await client.scalePool('licence', 2);
  await inService('licence', 2);
  const names = Array.from({ length: plates.first }, (_, i) => `B-TP-${i}`);
  const stored = new Map<string, string>();
  const servers = new Set<string>();
  for (let i = 0; i < names.length; i += 20) {
    const answers = names.slice(i, i + 20).map(async (plate) => {
      const { body } = await json(`${url}/${plate}`, { method: 'POST' });
      stored.set(plate, String(body.result));
      servers.add(String(body.server));
    });
    await Promise.all(answers);
  }
  assert.equal(servers.size, 2, 'both VMs took part');
  const [hash, salt] = stored.get('B-TP-0')?.split(':') ?? [];
  assert.equal(createHash('sha256').update(`${salt}B-TP-0`).digest('hex'), hash);
  const victim = await powerCut('licence');
  for (const plate of names) {
    const { body } = await json(`${url}/${plate}?hash=${stored.get(plate)}`);
    assert.equal(body.result, true, plate);
  }
  assert.equal((await json(`${url}/B-TP-1?hash=${stored.get('B-TP-2')}`)).body.result, false);
  assert.equal((await json(`${url}/B-TP-NEW`)).status, 404);
  await isNoticed(victim);
});

test('licence: of 100,000 plates none is lost when the service scales in while they come', {
  timeout: 12 * minute,
}, async () => {
  const { address } = JSON.parse((await tidepool(dataDir, ['service', 'show', 'licence', '--json'])).stdout);
  const post = (content: unknown) =>
    json(`http://${address.host}:${address.port}/`, { method: 'POST', body: JSON.stringify(content) });
  await inService('licence', 2);
  const size = 250;
  const batches = Array.from({ length: plates.more / size }, (_, batch) =>
    Array.from({ length: size }, (_, i) => `${batch}-TP-${i}`),
  );
  const stored: Record<string, string>[] = [];
  const servers = new Set<unknown>();
  let gone: Promise<unknown> = Promise.resolve();
  await inTurns(4, batches, async (some) => {
    const { status, body } = await post(some);
    assert.equal(status, 200, JSON.stringify(body).slice(0, 300));
    stored.push(body.result as Record<string, string>);
    servers.add(body.server);
    if (stored.length === batches.length / 2) gone = client.scalePool('licence', 1).then(() => inService('licence', 1));
  });
  await gone;
  assert.equal(servers.size, 2, 'both VMs took part');
  const { name: left } = await readyVm('licence');
  assert.equal(new Set(stored.flatMap((results) => Object.keys(results))).size, plates.more);
  await inTurns(4, stored, async (results) => {
    assert.deepEqual(await post(results), { status: 200, body: { result: [], server: left } });
  });
  assert.equal((await post(['ONE-TOO-MANY'])).status, 500);
  // What a handler wrote is there a moment after its answer.
  await until(
    () => tidepool(dataDir, ['service', 'logs', 'licence']),
    ({ stdout }) => /StoreError: .*the store of licence is full: it may have 100300 keys/.test(stdout),
    minute,
  );
  await remove('licence');
});

/** Does the work for each item, with so many under way at a time. */
async function inTurns<T>(atATime: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: atATime }, worker));
}

test('collision: the smallest number whose hash begins as that of the input', { timeout: 8 * minute }, async () => {
  const url = await deploy(example('collision'));
  const [first, second] = smallestPair();
  const { body } = await json(`${url}/${second}`);
  assert.deepEqual([body.input, body.result], [second, first]);
  await remove('collision');
});

/** The first two numbers whose SHA-256 in hex share their first six digits: the answer for the second is the first. */
function smallestPair(): [string, string] {
  const seen = new Map<string, string>();
  for (let i = 0; ; i += 1) {
    const start = createHash('sha256').update(String(i)).digest('hex').slice(0, 6);
    const before = seen.get(start);
    if (before !== undefined) return [before, String(i)];
    seen.set(start, String(i));
  }
}

test('powmod: over UDP, by the endpoints; datagrams of any other length do no harm, nor does a kill of the server', {
  timeout: 8 * minute,
}, async () => {
  await deploy(example('powmod'), '--protocol', 'udp');
  const { stdout } = await tidepool(dataDir, ['service', 'endpoints', 'powmod', '--json']);
  const [endpoint] = JSON.parse(stdout);
  const check = async (n: number): Promise<void> => {
    const question = Buffer.alloc(4);
    question.writeUInt32BE(n);
    // One socket a question: an answer may come twice, and late.
    const socket = createSocket('udp4');
    const send = (bytes: Buffer): void => socket.send(bytes, endpoint.port, endpoint.host);
    for (const length of [0, 1, 2, 3, 5, 8, 512, 1_472, 1_500]) send(randomBytes(length));
    // A datagram may be lost on the way; the question has no side effect.
    const again = setInterval(() => send(question), 2_000);
    send(question);
    const answered = once(socket, 'message', { signal: AbortSignal.timeout(minute) }).finally(() => {
      clearInterval(again);
      socket.close();
    });
    const [answer] = (await answered) as [Buffer];
    assert.equal(answer.length, 8);
    assert.equal(answer.readBigUInt64BE(), powmod(BigInt(n)), `n = ${n}`);
  };
  for (const n of [0, 10, 1_021, 4_294_967_295]) await check(n);
  server.signal('SIGKILL');
  await server.ended;
  await start();
  await check(1_020);
  await remove('powmod');
});

function powmod(n: bigint): bigint {
  let result = 1n;
  let base = 2n;
  for (let rest = n; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * base) % 1021n;
    base = (base * base) % 1021n;
  }
  return result;
}
