import type { SmallDisk } from './disk.ts';
import type { Fault, FaultContext } from './fault.ts';

function rootOnly(pick: (context: FaultContext) => SmallDisk | null) {
  return (context: FaultContext): true | string =>
    pick(context) === null ? 'an ordinary user cannot mount a small disk' : true;
}

async function fillFor(context: FaultContext, disk: SmallDisk | null): Promise<number | undefined> {
  if (disk === null) return undefined;
  const ms = context.random.pick([3_000, 12_000, 30_000]) ?? 3_000;
  try {
    await disk.fill();
    await context.pause(ms);
  } finally {
    await disk.free();
  }
  return ms / 1_000;
}

/** Disks that are full for a while, and clocks that somebody sets. */
export const roomFaults: readonly Fault[] = [
  {
    name: 'data-full',
    weight: 2,
    group: 'data',
    isPossible: rootOnly(({ installation }) => installation.dataDisk),
    async make(context) {
      const seconds = await fillFor(context, context.installation.dataDisk);
      return seconds === undefined ? undefined : `the disk of the data folder was full for ${seconds} s`;
    },
  },
  {
    name: 'machines-full',
    weight: 2,
    group: 'machines',
    isPossible: rootOnly(({ installation }) => installation.machineDisk),
    async make(context) {
      const seconds = await fillFor(context, context.installation.machineDisk);
      return seconds === undefined ? undefined : `the disk of the machines was full for ${seconds} s`;
    },
  },
  {
    name: 'clock-jump',
    weight: 2,
    group: 'clock',
    isPossible: () => true,
    async make(context) {
      const offsetMs = context.random.pick([-3_600_000, -15_000, 15_000, 3_600_000]) ?? 0;
      const ms = context.random.pick([2_000, 20_000]) ?? 2_000;
      const set = async (value: number): Promise<void> => {
        context.witness.noteClock(value);
        await context.installation.setClock(value);
      };
      try {
        await set(offsetMs);
        await context.pause(ms);
      } finally {
        await set(0);
      }
      return `the clock of the server was ${offsetMs / 1_000} s off for ${ms / 1_000} s`;
    },
  },
];
