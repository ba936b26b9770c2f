/** The runtimes that Tidepool can build by itself. */
export type BuiltInRuntime = 'python' | 'ml';

export interface RuntimeRecipe {
  readonly packages: readonly string[];
  /** Paths below the root to drop, as shell patterns. */
  readonly remove: readonly string[];
  /**
   * Libraries that their package would put into the library folder by update-alternatives, given as
   * `<folder>/<file>` below it.
   */
  readonly libraries: readonly string[];
  /** File of `runtime/` with a Python program that is run in the finished root; its failure fails the build. */
  readonly prepare: string;
}

/** What a script may expect of a small Linux beside Python: a shell and the usual commands. */
const basePackages = [
  'bash',
  'ca-certificates',
  'coreutils',
  'dash',
  'findutils',
  'grep',
  'gzip',
  'libc-bin',
  'python3',
  'sed',
  'tar',
  'tzdata',
];

const unneeded = [
  'usr/share/doc',
  'usr/share/man',
  'usr/share/info',
  'usr/share/locale',
  'usr/share/lintian',
  'usr/share/bug',
  'usr/share/perl*',
  'usr/lib/*-linux-gnu/perl*',
  'usr/bin/perl*',
  'usr/lib/python3*/test',
  'usr/lib/python3*/config-*',
];

/** Comes with the packages of `ml` by their dependencies, and only serves compiling or a display. */
const unneededByMl = [
  'usr/include',
  'usr/lib/gcc',
  'usr/bin/*-linux-gnu-*',
  'usr/lib/*-linux-gnu/dri',
  'usr/lib/*-linux-gnu/libLLVM*',
  'usr/lib/*-linux-gnu/lib[alt]san.so*',
  'usr/lib/python3/dist-packages/torch/bin/*test*',
  'usr/share/iso-codes',
  'usr/share/unicode',
  'usr/share/javascript',
];

export const runtimeRecipes: Readonly<Record<BuiltInRuntime, RuntimeRecipe>> = {
  python: { packages: basePackages, remove: unneeded, libraries: [], prepare: 'prepare-python.py' },
  ml: {
    packages: [
      ...basePackages,
      'python3-matplotlib',
      'python3-numpy',
      'python3-opencv',
      'python3-pandas',
      'python3-scipy',
      'python3-sklearn',
      'python3-torch',
    ],
    remove: [...unneeded, ...unneededByMl],
    libraries: [
      'openblas-pthread/libblas.so.3',
      'openblas-pthread/liblapack.so.3',
      'openblas-pthread/libopenblas.so.0',
    ],
    prepare: 'prepare-ml.py',
  },
};
