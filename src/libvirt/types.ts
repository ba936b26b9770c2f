import {
  array,
  bytes,
  type Carried,
  type Codec,
  double,
  fixedBytes,
  hyper,
  int,
  optional,
  struct,
  text,
  uhyper,
  uint,
} from './codec.ts';
import { malformed } from './xdr.ts';

/**
 * The data types of libvirt's remote protocol that Tidepool uses (libvirt: src/remote/remote_protocol.x and
 * src/rpc/virnetprotocol.x). Limits are those of the protocol.
 */
const maxStringBytes = 4 * 1024 * 1024;

export const string = text(maxStringBytes);
export const optionalString = optional(string);
export const flags = uint;
const uuid = fixedBytes(16);

/** A domain as libvirt names it on the wire. It looks a domain up by `uuid`; `id` is -1 for one that is off. */
export const domain = struct({ name: string, uuid, id: int });
export type DomainRef = Carried<typeof domain>;
export const domains = array(domain, 16_384);

export const network = struct({ name: string, uuid });

export const storagePool = struct({ name: string, uuid });
export type StoragePoolRef = Carried<typeof storagePool>;

export const storageVolume = struct({ pool: string, name: string, key: string });
export type StorageVolumeRef = Carried<typeof storageVolume>;

/** virNetMessageError: what a call ends with that libvirt refused. */
export const remoteError = struct({
  code: int,
  domain: int,
  message: optionalString,
  level: int,
  dom: optional(domain),
  str1: optionalString,
  str2: optionalString,
  str3: optionalString,
  int1: int,
  int2: int,
  net: optional(network),
});
export type RemoteError = Carried<typeof remoteError>;

/** The value of a typed parameter: a discriminant, then the value in its form. */
export type ParameterValue =
  | { readonly type: 'int'; readonly value: number }
  | { readonly type: 'uint'; readonly value: number }
  | { readonly type: 'double'; readonly value: number }
  | { readonly type: 'hyper'; readonly value: bigint }
  | { readonly type: 'uhyper'; readonly value: bigint }
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string };

/** VIR_TYPED_PARAM_*, in the order of their numbers from 1. */
const parameterTypes = ['int', 'uint', 'hyper', 'uhyper', 'double', 'boolean', 'string'] as const;

const parameterValue: Codec<ParameterValue> = {
  write(to, { type, value }) {
    to.int(parameterTypes.indexOf(type) + 1);
    if (type === 'int') to.int(value);
    else if (type === 'uint') to.uint(value);
    else if (type === 'hyper') to.hyper(value);
    else if (type === 'uhyper') to.uhyper(value);
    else if (type === 'double') to.double(value);
    else if (type === 'boolean') to.int(value ? 1 : 0);
    else string.write(to, value);
  },
  read(from) {
    const discriminant = from.int();
    const type = parameterTypes[discriminant - 1];
    if (type === undefined) throw malformed(`a typed parameter of type ${discriminant}`);
    if (type === 'int') return { type, value: int.read(from) };
    if (type === 'uint') return { type, value: uint.read(from) };
    if (type === 'hyper') return { type, value: hyper.read(from) };
    if (type === 'uhyper') return { type, value: uhyper.read(from) };
    if (type === 'double') return { type, value: double.read(from) };
    if (type === 'boolean') return { type, value: int.read(from) !== 0 };
    return { type, value: string.read(from) };
  },
};

export const typedParameter = struct({ field: string, value: parameterValue });
export type TypedParameter = Carried<typeof typedParameter>;

export const domainStatsRecord = struct({ domain, params: array(typedParameter, 262_144) });

export const nodeModelLetters = 32;
export const migrateCookie = bytes(4 * 1024 * 1024);

/** REMOTE_PROC_DOMAIN_EVENT_CALLBACK_LIFECYCLE. */
export const lifecycleMessage = struct({ callbackId: int, domain, event: int, detail: int });

export const dhcpLease = struct({
  interfaceName: string,
  expiryTime: hyper,
  type: int,
  mac: optionalString,
  iaid: optionalString,
  address: string,
  prefix: uint,
  hostname: optionalString,
  clientId: optionalString,
});

const interfaceAddress = struct({ type: int, address: string, prefix: uint });
export const domainInterface = struct({
  name: string,
  hardwareAddress: optionalString,
  addresses: array(interfaceAddress, 2048),
});
