import { type ErrorCode, TidepoolError } from '../domain/errors.ts';
import { libvirtCode } from './errors.ts';

/** Codes under which libvirt passes on what others said. */
const { internal, operationFailed, openFailed, system } = libvirtCode;
const opaqueCodes: readonly unknown[] = [internal, operationFailed, openFailed, system];
/** Words of QEMU, libvirt and the C library. They are not translated: daemons run in the C locale, or say it in English too. */
const meanings: readonly (readonly [RegExp, ErrorCode])[] = [
  [/no space left|cannot allocate memory|cannot set up guest memory|out of memory|too many open files/i, 'exhausted'],
  [/no such file|permission denied|could not open|could not load|cannot access|not in qcow2 format/i, 'invalid'],
];
/** libvirt has no code of its own for a definition whose name another domain has. */
const nameExists = /\bdomain '[^']*' already exists\b/i;

/**
 * Why a machine could not be made. libvirt has one code for everything that QEMU may say when it does not start, so its
 * words have to tell. Only a domain of that name is a `conflict`: the caller takes another name then, which helps against
 * nothing else (a storage pool that is inactive or exists, a busy resource, a volume in use).
 */
export function startError(machineName: string, error: unknown): unknown {
  if (!(error instanceof TidepoolError) || typeof error.details.libvirtCode !== 'number') return error;
  return new TidepoolError(codeOfStart(error), `machine ${machineName} could not be made: ${error.message}`, {
    cause: error,
    details: error.details,
  });
}

function codeOfStart(error: TidepoolError): ErrorCode {
  const number = error.details.libvirtCode;
  if (number === libvirtCode.domainExists || nameExists.test(error.message)) return 'conflict';
  if (opaqueCodes.includes(number)) {
    return meanings.find(([words]) => words.test(error.message))?.[1] ?? error.code;
  }
  return error.code === 'conflict' ? 'unavailable' : error.code;
}

/** A port was taken that was free a moment ago, as QEMU says it or our own gateway. */
export function isPortTaken(error: unknown): boolean {
  if (!(error instanceof TidepoolError)) return false;
  return error.details.isPortTaken === true || qemuPortWords.test(error.message);
}

const qemuPortWords = /could not set up host forwarding rule|can't bind ip=/i;
