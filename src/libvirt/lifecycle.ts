import type { MachineEvent, MachineState, PauseReason } from '../domain/hypervisor.ts';

/** VIR_DOMAIN_* states and reasons, VIR_DOMAIN_EVENT_* and their details (libvirt: include/libvirt/libvirt-domain.h). */
const state = { paused: 3, off: 5, crashed: 6, suspendedByGuest: 7 } as const;
const pausedReason = { user: 1, ioError: 5, crashed: 10 } as const;
const offReason = { crashed: 3, failed: 6 } as const;
const event = { defined: 0, undefined: 1, started: 2, suspended: 3, resumed: 4, stopped: 5, crashed: 8 } as const;

const details: Readonly<Record<number, readonly string[]>> = {
  [event.undefined]: ['removed', 'renamed'],
  [event.started]: ['booted', 'migrated', 'restored', 'from snapshot', 'wakeup'],
  [event.suspended]: [
    'paused',
    'migrated',
    'I/O error',
    'watchdog',
    'restored',
    'from snapshot',
    'API error',
    'postcopy',
  ],
  [event.resumed]: ['unpaused', 'migrated', 'from snapshot', 'postcopy'],
  [event.stopped]: ['shutdown', 'destroyed', 'crashed', 'migrated', 'saved', 'failed', 'from snapshot'],
  [event.crashed]: ['panicked', 'crash loaded'],
};
/** Details of `stopped` that mean that QEMU did not end by anybody's wish. */
const crashDetails = new Set(['crashed', 'failed']);

/** A libvirt state with its reason in the port's words. */
export function machineState(libvirtState: number, reason: number): MachineState {
  if (libvirtState === state.crashed) return 'crashed';
  if (libvirtState === state.off)
    return reason === offReason.crashed || reason === offReason.failed ? 'crashed' : 'off';
  if (libvirtState === state.paused) return reason === pausedReason.crashed ? 'crashed' : 'paused';
  return libvirtState === state.suspendedByGuest ? 'paused' : 'running';
}

/**
 * Why a paused machine stands; null for others. QEMU stops a guest for an I/O error only when the host's disk is full
 * (its `werror=enospc`); every other error it hands on to the guest.
 */
export function pauseReason(libvirtState: number, reason: number): PauseReason | null {
  if (machineState(libvirtState, reason) !== 'paused') return null;
  if (libvirtState !== state.paused) return 'other';
  return reason === pausedReason.user ? 'asked' : reason === pausedReason.ioError ? 'no_room' : 'other';
}

export type EventKind = MachineEvent['kind'];

/** What an event of libvirt means to us; undefined for those that change nothing (defined, shutting down). */
export function eventMeaning(kind: number, detail: number): { kind: EventKind; detail: string } | undefined {
  const word = details[kind]?.[detail] ?? `detail ${detail}`;
  switch (kind) {
    case event.undefined:
      // A renamed domain is there still, under a name that is not ours any more: the same as gone.
      return { kind: 'gone', detail: word };
    case event.started:
      return { kind: 'started', detail: word };
    case event.suspended:
      return { kind: 'suspended', detail: word };
    case event.resumed:
      return { kind: 'resumed', detail: word };
    case event.stopped:
      return { kind: crashDetails.has(word) ? 'crashed' : 'stopped', detail: word };
    case event.crashed:
      return { kind: 'crashed', detail: word };
    default:
      return undefined;
  }
}

const stateAfter: Readonly<Record<EventKind, MachineState | 'gone'>> = {
  started: 'running',
  resumed: 'running',
  suspended: 'paused',
  stopped: 'off',
  crashed: 'crashed',
  gone: 'gone',
};

/** The state in which an event leaves a machine. */
export function stateAfterEvent(kind: EventKind): MachineState | 'gone' {
  return stateAfter[kind];
}

/** The event that tells of a machine found in another state than before, when the real event was missed. */
export function eventForChange(from: MachineState, to: MachineState | 'gone'): EventKind | undefined {
  if (from === to) return undefined;
  if (to === 'gone') return 'gone';
  if (to === 'running') return from === 'paused' ? 'resumed' : 'started';
  return to === 'paused' ? 'suspended' : to === 'off' ? 'stopped' : 'crashed';
}
