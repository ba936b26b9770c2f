import type { ServiceEndpoint } from '../domain/service.ts';
import type { Vm } from '../domain/vm.ts';

export interface EndpointChanges {
  readonly added: readonly ServiceEndpoint[];
  readonly removed: readonly ServiceEndpoint[];
}

/** What came and what went. Pure. */
export function endpointChanges(
  before: readonly ServiceEndpoint[],
  after: readonly ServiceEndpoint[],
): EndpointChanges {
  const isIn = (all: readonly ServiceEndpoint[]) => (one: ServiceEndpoint) => all.some((other) => isSame(one, other));
  return {
    added: after.filter((one) => !isIn(before)(one)),
    removed: before.filter((one) => !isIn(after)(one)),
  };
}

/** Why an endpoint went, from what has become of its VM. Pure. */
export function removalReason(vm: Pick<Vm, 'state' | 'reason'> | undefined): string {
  if (vm === undefined) return 'its VM is gone';
  if (vm.state === 'ready') return 'another revision takes its place, or it does not answer';
  return vm.reason === '' ? `its VM is ${vm.state}` : `its VM is ${vm.state}: ${vm.reason}`;
}

function isSame(a: ServiceEndpoint, b: ServiceEndpoint): boolean {
  return a.vm === b.vm && a.host === b.host && a.port === b.port;
}
