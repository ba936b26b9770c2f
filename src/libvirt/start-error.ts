import { type ErrorCode, TidepoolError } from '../domain/errors.ts';
import { isLibvirtError, libvirtCode } from './errors.ts';

/** Words of QEMU, libvirt and the C library. They are not translated: daemons run in the C locale, or say it in English too. */
const meanings: readonly (readonly [RegExp, ErrorCode])[] = [
  [/no space left|cannot allocate memory|cannot set up guest memory|out of memory|too many open files/i, 'exhausted'],
  [/no such file|permission denied|could not open|could not load|cannot access|not in qcow2 format/i, 'invalid'],
  [/already exists/i, 'conflict'],
];

/**
 * Why a machine could not be made. libvirt has one code for everything that QEMU may say when it does not start, so its
 * words have to tell.
 */
export function startError(machineName: string, error: unknown): unknown {
  if (!isLibvirtError(error, libvirtCode.internal, libvirtCode.operationFailed, libvirtCode.system, 30, 38))
    return error;
  const code = meanings.find(([words]) => words.test(error.message))?.[1] ?? error.code;
  return new TidepoolError(code, `machine ${machineName} could not be made: ${error.message}`, {
    cause: error,
    details: error.details,
  });
}

/** A port was taken that was free a moment ago, as QEMU says it or our own gateway. */
export function isPortTaken(error: unknown): boolean {
  if (!(error instanceof TidepoolError)) return false;
  return error.details.isPortTaken === true || qemuPortWords.test(error.message);
}

const qemuPortWords = /could not set up host forwarding rule|can't bind ip=/i;
