import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/clock/system-clock.ts';
import { hasCode } from '../../src/domain/errors.ts';
import type { Image, Runtime } from '../../src/domain/image.ts';
import { buildImage } from '../../src/image/build-image.ts';
import { buildRuntime } from '../../src/image/build-runtime.ts';
import { type AgentBundle, bundleAgent } from '../../src/image/bundle-agent.ts';
import { probeInitrdPath } from '../../src/image/image-store.ts';
import { contentId } from '../../src/image/recipe.ts';

/*
 * The image and the python runtime, built from packages in a cache of their own, and booted by QEMU itself, with a
 * stand-in for the agent that tells what the guest gives it.
 */

/** From nothing cached, on 2 cores. */
const buildLimitMs = 90_000;
const bootLimitMs = 180_000;

const reporter = `
import { readFileSync, readdirSync } from 'node:fs';
import { networkInterfaces, hostname } from 'node:os';
const read = (path) => readFileSync(path, 'utf8').trim();
console.log('REPORT ' + JSON.stringify({
  hostname: hostname(),
  address: networkInterfaces().eth0?.[0]?.address,
  root: read('/proc/mounts').split('\\n').find((line) => line.includes(' / ext4 ')),
  controllers: read('/sys/fs/cgroup/cgroup.subtree_control'),
  oom: read('/proc/self/oom_score_adj'),
  machineId: read('/etc/machine-id'),
  secret: read('/sys/firmware/qemu_fw_cfg/by_name/opt/tidepool/agent-key-id/raw'),
  runtimes: readdirSync('/runtimes'),
  python: readdirSync('/runtimes/python'),
  dmesgRestricted: read('/proc/sys/kernel/dmesg_restrict'),
  version: read('/opt/tidepool/agent-version'),
}));
setInterval(() => {}, 1000);
`;

let cacheDir = '';
let folder = '';
let bundle: AgentBundle;
let image: Image;
let runtime: Runtime;

before(async () => {
  cacheDir = await mkdtemp('/var/tmp/tidepool-image-test-');
  folder = await mkdtemp('/var/tmp/tidepool-image-vm-');
  await writeFile(join(folder, 'reporter.ts'), reporter);
  bundle = await bundleAgent(join(folder, 'reporter.ts'));
});

after(async () => {
  for (const path of [cacheDir, folder]) await rm(path, { recursive: true, force: true });
});

const build = (agentBundle: AgentBundle, signal?: AbortSignal, onPackages?: () => void): Promise<Image> =>
  buildImage({
    cacheDir,
    nodePath: process.execPath,
    agentBundle,
    clock: systemClock,
    ...(signal === undefined ? {} : { signal }),
    progress: ({ step, fraction }) => {
      if (step === 'packages' && fraction > 0.1) onPackages?.();
    },
  });

/** Where builds for this cache work; others may build beside them. */
const building = async (): Promise<string[]> =>
  (await readdir('/var/tmp')).filter((name) => name.startsWith(`tidepool-build-${contentId(cacheDir)}-`));

test('a build that is broken off leaves nothing behind', async () => {
  const giveUp = new AbortController();
  let during: Promise<string[]> | undefined;
  const aborted = build(bundle, giveUp.signal, () => {
    during ??= building().finally(() => giveUp.abort());
  });
  await assert.rejects(aborted, (error) => hasCode(error, 'aborted'));
  assert.equal((await during)?.length, 1);
  assert.deepEqual(await readdir(cacheDir), ['lock']);
  assert.deepEqual(await building(), []);
});

test('the image is built from nothing within its time', async (t) => {
  const startedAt = performance.now();
  image = await build(bundle);
  const elapsedMs = performance.now() - startedAt;
  t.diagnostic(`built in ${Math.round(elapsedMs)} ms, ${image.sizeBytes} bytes`);
  assert.ok(elapsedMs < buildLimitMs);
  for (const path of [image.diskPath, image.kernelPath, image.initrdPath]) await access(path);
});

test('the same recipe is the same image, at once', async () => {
  const { mtimeMs } = await stat(image.diskPath);
  assert.deepEqual(await build(bundle), image);
  assert.equal((await stat(image.diskPath)).mtimeMs, mtimeMs);
});

test('another agent makes another image from the packages that are there', async (t) => {
  const [rootfs = ''] = await readdir(join(cacheDir, 'rootfs'));
  const { mtimeMs } = await stat(join(cacheDir, 'rootfs', rootfs));
  const startedAt = performance.now();
  const other = await build({ ...bundle, code: `${bundle.code}\n// changed`, version: 'changed' });
  t.diagnostic(`rebuilt in ${Math.round(performance.now() - startedAt)} ms`);
  assert.notEqual(other.id, image.id);
  assert.deepEqual(await readdir(join(cacheDir, 'rootfs')), [rootfs]);
  assert.equal((await stat(join(cacheDir, 'rootfs', rootfs))).mtimeMs, mtimeMs);
});

test('the python runtime is built', async () => {
  runtime = await buildRuntime('python', { cacheDir, clock: systemClock });
  assert.ok(runtime.sizeBytes > 10_000_000 && runtime.sizeBytes < 100_000_000, String(runtime.sizeBytes));
});

test('the guest boots and gives the agent what it needs', async (t) => {
  const line = await bootUntil(/^.*REPORT (.*)$/);
  t.diagnostic(`agent ran ${line.elapsedMs} ms after the start of QEMU`);
  const report: unknown = JSON.parse(line.text);
  assert.ok(
    typeof report === 'object' && report !== null && 'root' in report && 'machineId' in report && 'python' in report,
  );
  const { root, machineId, python, ...rest } = report;
  assert.deepEqual(rest, {
    hostname: 'guest-0007',
    address: '10.0.2.15',
    controllers: 'cpuset cpu io memory pids',
    oom: '-1000',
    secret: 'key-1',
    runtimes: ['python'],
    dmesgRestricted: '1',
    version: bundle.version,
  });
  assert.match(String(root), /prjquota/);
  assert.match(String(machineId), /^[0-9a-f]{32}$/);
  assert.ok(Array.isArray(python));
  for (const mountPoint of ['work', 'tmp', 'proc', 'sys', 'dev']) assert.ok(python.includes(mountPoint), mountPoint);
});

test('the probe powers itself off', async () => {
  const qemu = startQemu(['-kernel', image.kernelPath, '-initrd', probeInitrdPath(image)], 'console=ttyS0 quiet');
  const lines: string[] = [];
  createInterface({ input: qemu.stdout }).on('line', (text) => lines.push(text));
  const cancel = systemClock.after(bootLimitMs, () => qemu.kill('SIGKILL'));
  const [exitCode] = await once(qemu, 'close');
  cancel();
  assert.equal(exitCode, 0);
  assert.ok(
    lines.some((text) => text.includes('TIDEPOOL-PROBE-BOOTED')),
    lines.join('\n'),
  );
});

function startQemu(args: readonly string[], commandLine: string) {
  const machine = ['-M', 'q35', '-accel', 'tcg', '-cpu', 'max', '-m', '512', '-nodefaults', '-display', 'none'];
  const common = [...machine, '-serial', 'stdio', '-no-reboot', '-append', commandLine];
  return spawn('qemu-system-x86_64', [...common, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
}

/** Boots the image with the runtime attached and returns what the pattern's group caught on the console. */
async function bootUntil(pattern: RegExp): Promise<{ text: string; elapsedMs: number }> {
  const overlay = join(folder, 'overlay.qcow2');
  const create = ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', image.diskPath, overlay, '4G'];
  assert.deepEqual(await once(spawn('qemu-img', create, { stdio: 'inherit' }), 'close'), [0, null]);
  const secrets = { hostname: 'guest-0007', 'agent-key-id': 'key-1' };
  const fwCfg: string[] = [];
  for (const [name, value] of Object.entries(secrets)) {
    await writeFile(join(folder, name), value);
    fwCfg.push('-fw_cfg', `name=opt/tidepool/${name},file=${join(folder, name)}`);
  }
  const disks = [
    ...['-drive', `file=${overlay},if=none,id=root`, '-device', 'virtio-blk-pci,drive=root'],
    ...['-drive', `file=${runtime.path},if=none,id=rt,format=raw,readonly=on`],
    ...['-device', 'virtio-blk-pci,drive=rt,serial=rt-python'],
  ];
  const network = ['-netdev', 'user,id=n,restrict=on', '-device', 'virtio-net-pci,netdev=n,romfile='];
  const boot = ['-kernel', image.kernelPath, '-initrd', image.initrdPath];
  const startedAt = performance.now();
  const qemu = startQemu([...boot, ...disks, ...network, ...fwCfg], `${image.commandLine} tidepool.net=user`);
  const cancel = systemClock.after(bootLimitMs, () => qemu.kill('SIGKILL'));
  const closed = once(qemu, 'close');
  const seen: string[] = [];
  try {
    for await (const text of createInterface({ input: qemu.stdout })) {
      seen.push(text);
      const caught = pattern.exec(text)?.[1];
      if (caught !== undefined) return { text: caught, elapsedMs: Math.round(performance.now() - startedAt) };
    }
    throw new Error(`the guest never printed ${pattern}:\n${seen.join('\n')}`);
  } finally {
    cancel();
    qemu.kill('SIGKILL');
    await closed;
  }
}
