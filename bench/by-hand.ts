import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { jobUid, uidsPerContainer } from '../src/agent/container-spec.ts';
import { firstUidOf } from '../src/agent/slot.ts';
import type { ApiClient } from '../src/cli/client.ts';
import { JobClient } from '../src/cli/job-client.ts';
import { consoleOf, GuestShell } from '../test/support/guest-shell.ts';
import { until } from '../test/support/poll.ts';

const bundle = '/run/by-hand';
const slots = { run: '/run/tidepool/slots', disk: '/var/lib/tidepool/slots' };
/** So many that the console's time limit is far away. */
const atOnce = 50;
const patienceMs = 60_000;
const firstOwner = firstUidOf(0) + jobUid;

/**
 * Running a job's own container by hand on a VM: `crun run` with the very configuration that the agent gives crun, so many
 * times one after the other. Milliseconds by the guest's own clock, so that the console costs nothing.
 * @param folder for a file of ours
 */
export async function prepareByHand(
  client: ApiClient,
  vm: string,
  script: string,
  folder: string,
): Promise<(times: number) => Promise<number>> {
  const shell = new GuestShell(consoleOf(client, vm));
  await shell.run(`mkdir -p ${bundle}/work && busybox chmod 711 ${bundle} && touch ${bundle}/status`);
  await copyConfiguration(client, shell, folder);
  await shell.run(`echo ${Buffer.from(script).toString('base64')} | busybox base64 -d > ${bundle}/work/x.py`);
  return async (times) => {
    let tookMs = 0;
    for (let left = times; left > 0; left -= atOnce) tookMs += await loopMs(shell, Math.min(left, atOnce));
    return tookMs;
  };
}

/** From a job that sleeps meanwhile: no slot has a configuration longer than its job. */
async function copyConfiguration(client: ApiClient, shell: GuestShell, folder: string): Promise<void> {
  const asleep = join(folder, 'asleep', 'x.py');
  await mkdir(join(folder, 'asleep'));
  await writeFile(asleep, 'import time\ntime.sleep(600)\n');
  const jobs = new JobClient(client);
  const { id } = await jobs.submit({}, { script: asleep }, sleep);
  await until(
    () => jobs.job(id),
    ({ state }) => state === 'running',
    patienceMs,
  );
  await shell.run(
    `for path in ${slots.run}/*/config.json; do cp $path ${bundle}/; slot=$(busybox dirname $path); done`,
  );
  await shell.run(
    `n=\${slot##*/}; busybox sed -i "s#$slot/#${bundle}/#g; s#${slots.disk}/$n/#${bundle}/#g" ${bundle}/config.json`,
  );
  await shell.run(`owner=$((${firstOwner} + n * ${uidsPerContainer})); busybox chown -R $owner:$owner ${bundle}/*`);
  await jobs.cancel(id);
  await until(
    async () => (await client.vms()).flatMap((vm) => vm.jobs),
    (running) => running.length === 0,
    patienceMs,
  );
}

async function loopMs(shell: GuestShell, times: number): Promise<number> {
  const uptime = 'busybox awk \'{print "at",$1}\' /proc/uptime';
  const loop = `i=0; while [ $i -lt ${times} ]; do i=$((i+1)); crun run by-hand-$i; done | busybox wc -l`;
  const said = await shell.run(`cd ${bundle}; ${uptime}; ${loop}; ${uptime}`);
  const [before, after] = [...said.matchAll(/at ([\d.]+)/g)].map((match) => Number(match[1]) * 1_000);
  const lines = /^\s*(\d+)\s*$/m.exec(said)?.[1];
  if (before === undefined || after === undefined || Number(lines) !== times) throw new Error(`by hand: ${said}`);
  return after - before;
}
