import { readAptSetup } from './apt.ts';
import type { RunCommand } from './command.ts';
import type { HostFacts } from './host.ts';
import { packageProgress } from './progress.ts';

// By the environment, because mmdebstrap quotes a failing hook whole and the reason would drown in it.
const finishHook = '--extract-hook=sh -c "$TIDEPOOL_FINISH" finish "$1"';

/**
 * As root, mmdebstrap mounts /proc, /sys and more into what it builds, on the host itself. In a mount namespace of its
 * own nothing of that is ever seen outside, so that removing a broken build cannot reach the host through it; in a
 * process namespace of its own, killing it leaves no process behind. As an ordinary user it makes both by itself.
 */
const asRoot = {
  program: 'unshare',
  args: ['--mount', '--propagation=private', '--pid', '--fork', '--kill-child', '--mount-proc', 'mmdebstrap'],
  // unshare leaves TERM to its child, where nobody expects it.
  stopSignal: 'SIGKILL',
} as const;

export interface UnpackOptions {
  readonly host: HostFacts;
  readonly packages: readonly string[];
  /**
   * Shell script that is run on the unpacked root (its `$1`). It removes apt's lists and archives itself, and must
   * leave `tmp/` alone: see runtime/finish.sh.
   */
  readonly finish?: string;
  /** The tar file to write. */
  readonly target: string;
  /** Scratch folder that the build's user namespace may enter. */
  readonly scratch: string;
  readonly run: RunCommand;
  /** Fraction of the unpacking, 0 to 1. */
  readonly progress: (seen: { readonly fraction: number; readonly label: string }) => void;
}

/**
 * Packages and their dependencies, unpacked into a tar file. Unpacked and not installed: no maintainer script runs,
 * which is several times as fast and needs no privileges.
 */
export async function unpackPackages(options: UnpackOptions): Promise<void> {
  const { host, run } = options;
  const apt = await readAptSetup(run, host.distribution);
  const read = packageProgress();
  await run({
    ...(host.isRoot ? asRoot : { program: 'mmdebstrap' }),
    args: [
      ...(host.isRoot ? asRoot.args : []),
      '--variant=extract',
      `--mode=${host.isRoot ? 'root' : 'unshare'}`,
      '--format=tar',
      '--debug',
      `--include=${options.packages.join(',')}`,
      ...apt.options.map((option) => `--aptopt=${option}`),
      // Before the merge of /usr, packages have files in /lib and /bin.
      '--setup-hook=for d in bin sbin lib lib64; do mkdir -p "$1/usr/$d"; ln -s "usr/$d" "$1/$d"; done',
      '--setup-hook=mkdir -p "$1/proc" "$1/sys" "$1/dev"',
      ...(options.finish === undefined ? [] : ['--skip=cleanup/apt', finishHook]),
      host.distribution.codename,
      options.target,
      ...(apt.sources === '' ? [] : ['-']),
    ],
    input: apt.sources,
    environment: { TMPDIR: options.scratch, TIDEPOOL_FINISH: options.finish ?? '' },
    onLine: (line) => {
      const own = /^tidepool: (.*)$/.exec(line)?.[1];
      const seen = own === undefined ? read(line) : { fraction: 1, label: own };
      if (seen !== undefined) options.progress(seen);
    },
    isNoise: (line) => /^(D:|I:|\t|Get:|\/usr\/bin\/dpkg |$)/.test(line),
  });
}
