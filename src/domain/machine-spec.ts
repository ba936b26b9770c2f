import { TidepoolError } from './errors.ts';
import type { MachineSpec } from './hypervisor.ts';

/** The slots that a machine has for them. */
export const maxSharedDisks = 24;
/** virtio cuts longer ones without a word. */
const maxSerialLength = 20;
const maxSecretBytes = 64 * 1024;

/** Checks what every hypervisor refuses alike, without looking at files. Errors: `invalid`. */
export function checkMachineSpec(spec: MachineSpec): void {
  const { name } = spec;
  if (!/^[A-Za-z0-9][A-Za-z0-9-]{0,39}$/.test(name)) {
    throw invalid(`'${name}' is no machine name: letters, digits and dashes, at most 40`);
  }
  if (spec.sharedDisks.length > maxSharedDisks) throw invalid(`${name} has more than ${maxSharedDisks} shared disks`);
  for (const { serial } of spec.sharedDisks) {
    if (!/^[A-Za-z0-9_.+-]+$/.test(serial) || serial.length > maxSerialLength) {
      throw invalid(`'${serial}' is no disk serial: letters, digits, '_.+-', at most ${maxSerialLength}`);
    }
  }
  if (hasTwins(spec.sharedDisks.map(({ serial }) => serial)))
    throw invalid(`two disks of ${name} have the same serial`);
  if (hasTwins(spec.ports.map((port) => port.name))) throw invalid(`two ports of ${name} have the same name`);
  checkServicePorts(spec);
  for (const [key, value] of Object.entries(spec.secrets)) {
    if (!/^[a-z0-9-]{1,40}$/.test(key)) throw invalid(`'${key}' is no name of a secret: a-z, 0-9, '-', at most 40`);
    if (value.length > maxSecretBytes) throw invalid(`the secret ${key} of ${name} has more than 64 KiB`);
  }
}

function checkServicePorts({ name, network, ports }: MachineSpec): void {
  const protocols = ports.filter(({ device }) => device === 'service').map(({ protocol }) => protocol);
  if (protocols.length === 0) return;
  if (network.kind !== 'user')
    throw invalid(`${name} is to run a service on network '${network.kind}'; services need network 'user' for now`);
  if (new Set(protocols).size > 1) throw invalid(`the ports of the service device of ${name} are not of one protocol`);
}

function hasTwins(words: readonly string[]): boolean {
  return new Set(words).size < words.length;
}

function invalid(message: string): TidepoolError {
  return new TidepoolError('invalid', message);
}
