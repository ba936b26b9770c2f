import type { ApiClient } from '../src/cli/client.ts';
import { consoleOf, GuestShell } from '../test/support/guest-shell.ts';

const bundle = '/run/by-hand';
/** So many that the console's time limit is far away. */
const atOnce = 50;

/** As `crun spec` writes it, with the runtime as root and our script as the process. */
const prepare = [
  `mkdir -p ${bundle}/work`,
  `cd ${bundle} && rm -f config.json && crun spec`,
  `busybox sed -i 's#"path": "rootfs"#"path": "/runtimes/python"#; s#"terminal": true#"terminal": false#' ${bundle}/config.json`,
  `busybox sed -i 's#"sh"#"python3", "/work/x.py"#; s#"cwd": "/"#"cwd": "/work"#' ${bundle}/config.json`,
  `busybox sed -i 's#"mounts": \\[#"mounts": [{"destination":"/work","type":"bind","source":"${bundle}/work","options":["bind"]},#' ${bundle}/config.json`,
];

/**
 * Running containers by hand on a VM: `crun run` of a script, so many times one after the other. Milliseconds by the
 * guest's own clock, so that the console costs nothing.
 */
export async function prepareByHand(
  client: ApiClient,
  vm: string,
  script: string,
): Promise<(times: number) => Promise<number>> {
  const shell = new GuestShell(consoleOf(client, vm));
  for (const command of prepare) await shell.run(command);
  await shell.run(`echo ${Buffer.from(script).toString('base64')} | busybox base64 -d > ${bundle}/work/x.py`);
  return async (times) => {
    let tookMs = 0;
    for (let left = times; left > 0; left -= atOnce) tookMs += await loopMs(shell, Math.min(left, atOnce));
    return tookMs;
  };
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
