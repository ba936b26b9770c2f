import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { systemClock } from '../src/clock/system-clock.ts';
import { defaultCacheDir } from '../src/config/paths.ts';
import { listImages, probeInitrdPath } from '../src/image/image-store.ts';
import { startAgentVm } from '../test/support/agent-vm.ts';
import { alternate, type Bench, type BenchContext, timeMs } from './harness.ts';

const limitMs = 120_000;

/** Ours: define, clone, start, boot, agent healthy. Baseline: QEMU by hand with the same kernel until its init speaks. */
const boot: Bench = {
  name: 'boot',
  question: 'how long from the wish for a VM to its healthy agent?',
  atMost: 4,
  run: async (context) => {
    // The image is in the page cache and built before anything is measured.
    await (await startAgentVm()).stop();
    return alternate(context, () => bootVm(context), bareKernel);
  },
};

async function bootVm(context: BenchContext): Promise<number> {
  let stop: () => Promise<void> = async () => undefined;
  const tookMs = await timeMs(async () => {
    stop = (await startAgentVm()).stop;
  });
  await stop();
  context.log(`ours ${Math.round(tookMs)} ms`);
  return tookMs;
}

async function bareKernel(): Promise<number> {
  const [image] = await listImages(defaultCacheDir());
  if (image === undefined) throw new Error('no image');
  const machine = ['-M', 'pc', '-accel', 'tcg', '-cpu', 'max', '-m', '1024', '-nodefaults', '-no-reboot'];
  const boots = [
    '-kernel',
    image.kernelPath,
    '-initrd',
    probeInitrdPath(image),
    '-append',
    'console=ttyS0 quiet panic=-1 no_timer_check',
  ];
  const qemu = spawn('qemu-system-x86_64', [...machine, ...boots, '-display', 'none', '-serial', 'stdio'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const cancel = systemClock.after(limitMs, () => qemu.kill('SIGKILL'));
  const ended = once(qemu, 'exit');
  try {
    return await timeMs(async () => {
      let seen = '';
      for await (const chunk of qemu.stdout) {
        seen += chunk;
        if (seen.includes('TIDEPOOL-PROBE-BOOTED')) return;
      }
      throw new Error(`the bare kernel did not reach its init:\n${seen}`);
    });
  } finally {
    cancel();
    await ended;
  }
}

export default boot;
