import type { ContainerOptions } from './container-spec.ts';
import type { Slot } from './slot.ts';

const statusInContainer = '/dev/.status';
const initInContainer = '/dev/busybox';

/**
 * A container's process 1 is busybox `time`: it waits for the program and writes how it ended into a pipe of the slot
 * (outcome.ts: exitOf), which crun's exit code cannot tell.
 */
export function underInit(
  slot: Slot,
  argv: readonly string[],
): { argv: readonly string[]; files: NonNullable<ContainerOptions['files']> } {
  return {
    argv: [initInContainer, 'time', '-f', '', '-o', statusInContainer, ...argv],
    files: [
      { from: '/usr/bin/busybox', to: initInContainer, writable: false },
      { from: `${slot.runPath}/status`, to: statusInContainer, writable: true },
    ],
  };
}
