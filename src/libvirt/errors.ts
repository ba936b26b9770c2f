import { type ErrorCode, TidepoolError } from '../domain/errors.ts';
import type { RemoteError } from './types.ts';

/** VIR_ERR_* that Tidepool tells apart (libvirt: include/libvirt/virterror.h). */
export const libvirtCode = {
  internal: 1,
  noMemory: 2,
  noSupport: 3,
  invalidArgument: 8,
  operationFailed: 9,
  xml: 27,
  domainExists: 28,
  operationDenied: 29,
  openFailed: 30,
  xmlDetail: 35,
  system: 38,
  noDomain: 42,
  noNetwork: 43,
  authFailed: 45,
  noStoragePool: 49,
  noStorageVolume: 50,
  operationInvalid: 55,
  configUnsupported: 67,
  operationTimeout: 68,
  argumentUnsupported: 74,
  authCancelled: 79,
  noMetadata: 80,
  resourceBusy: 87,
  accessDenied: 88,
  volumeExists: 90,
  xmlInvalidSchema: 92,
  authUnavailable: 94,
} as const;

const codeOf: ReadonlyMap<number, ErrorCode> = new Map([
  [libvirtCode.noMemory, 'exhausted'],
  [libvirtCode.invalidArgument, 'invalid'],
  [libvirtCode.xml, 'invalid'],
  [libvirtCode.xmlDetail, 'invalid'],
  [libvirtCode.xmlInvalidSchema, 'invalid'],
  [libvirtCode.configUnsupported, 'invalid'],
  [libvirtCode.argumentUnsupported, 'invalid'],
  [libvirtCode.domainExists, 'conflict'],
  // A machine is in another state than the call wants. While one is made it means something else (start-error.ts).
  [libvirtCode.operationInvalid, 'conflict'],
  [libvirtCode.volumeExists, 'unavailable'],
  [libvirtCode.resourceBusy, 'unavailable'],
  [libvirtCode.noDomain, 'not_found'],
  [libvirtCode.noNetwork, 'not_found'],
  [libvirtCode.noStoragePool, 'not_found'],
  [libvirtCode.noStorageVolume, 'not_found'],
  [libvirtCode.noMetadata, 'not_found'],
  [libvirtCode.operationDenied, 'forbidden'],
  [libvirtCode.accessDenied, 'forbidden'],
  [libvirtCode.authFailed, 'unauthenticated'],
  [libvirtCode.authCancelled, 'unauthenticated'],
  [libvirtCode.authUnavailable, 'unauthenticated'],
  [libvirtCode.operationTimeout, 'timeout'],
]);

/** What libvirt answered instead of a result, as an error of ours; its number is in `details.libvirtCode`. */
export function fromLibvirt(procedureName: string, error: RemoteError): TidepoolError {
  const said = error.message ?? 'no message';
  return new TidepoolError(codeOf.get(error.code) ?? 'upstream', `libvirt refused ${procedureName}: ${said}`, {
    details: { libvirtCode: error.code, libvirtDomain: error.domain, libvirtMessage: said, procedure: procedureName },
  });
}

/** Whether an error is libvirt's own with that number. */
export function isLibvirtError(thrown: unknown, ...codes: readonly number[]): thrown is TidepoolError {
  if (!(thrown instanceof TidepoolError)) return false;
  const code = thrown.details.libvirtCode;
  return typeof code === 'number' && codes.includes(code);
}
