import { array, type Codec, fixedArray, int, nothing, optional, struct, uhyper, uint } from './codec.ts';
import {
  dhcpLease,
  domain,
  domainInterface,
  domainStatsRecord,
  domains,
  flags,
  migrateCookie,
  network,
  nodeModelLetters,
  optionalString,
  storagePool,
  storageVolume,
  string,
  typedParameter,
} from './types.ts';
import { uuidText } from './uuid.ts';

/** One remote procedure: its number in libvirt's remote program, how its arguments and reply look, its time limit. */
export interface Procedure<A, R> {
  /** For messages and logs; the name of libvirt's public function without its prefix. */
  readonly name: string;
  readonly number: number;
  readonly args: Codec<A>;
  readonly reply: Codec<R>;
  readonly deadlineMs: number;
  /**
   * For what must not be asked twice at a time: names what it is done to. A second call for the same, while the first waits
   * or is carried out, gets the answer of the first.
   */
  readonly sameFor?: (args: A) => string;
}

/** REMOTE_PROGRAM and its only version. */
export const remoteProgram = { number: 0x20008086, version: 1 } as const;
/** REMOTE_PROC_DOMAIN_EVENT_CALLBACK_LIFECYCLE: a message of the server, not a call. */
export const lifecycleEventNumber = 318;

/** Calls that only read the daemon's memory. */
const quickMs = 10_000;
/**
 * Calls that start or stop a process or touch a disk, and all that look at domains: the daemon keeps a domain locked
 * while it waits for its process to end, for up to 45 s, and every list waits for that domain.
 */
const slowMs = 60_000;
/** Calls that write a guest's memory out, to a disk or to another host. */
const longMs = 600_000;

const noArgs = nothing;
const noReply = nothing;
const domainOnly = struct({ domain });
const domainFlags = struct({ domain, flags });
const xmlFlags = struct({ xml: string, flags });
const nameOnly = struct({ name: string });

function procedure<A, R>(
  name: string,
  number: number,
  args: Codec<A>,
  reply: Codec<R>,
  deadlineMs = quickMs,
): Procedure<A, R> {
  return { name, number, args, reply, deadlineMs };
}

function uuidOf({ domain: { uuid } }: { readonly domain: { readonly uuid: Uint8Array } }): string {
  return uuidText(uuid);
}

/** Everything that Tidepool asks of libvirt (numbers and structures: libvirt, src/remote/remote_protocol.x). */
export const procedures = {
  // The first call; a daemon that has just begun listens at once, and answers when all of its drivers are there.
  authList: procedure('AuthList', 66, noArgs, struct({ types: array(int, 20) }), slowMs),
  authPolkit: procedure('AuthPolkit', 70, noArgs, struct({ complete: int })),

  connectOpen: procedure('ConnectOpen', 1, struct({ name: optionalString, flags }), noReply, slowMs),
  connectClose: procedure('ConnectClose', 2, noArgs, noReply),
  connectSupportsFeature: procedure('ConnectSupportsFeature', 60, struct({ feature: int }), struct({ supported: int })),
  connectGetVersion: procedure('ConnectGetVersion', 4, noArgs, struct({ version: uhyper }), slowMs),
  connectGetLibVersion: procedure('ConnectGetLibVersion', 157, noArgs, struct({ version: uhyper })),
  connectGetHostname: procedure('ConnectGetHostname', 59, noArgs, struct({ hostname: string })),
  connectGetUri: procedure('ConnectGetURI', 110, noArgs, struct({ uri: string })),
  connectGetCapabilities: procedure('ConnectGetCapabilities', 7, noArgs, struct({ xml: string }), slowMs),
  nodeGetInfo: procedure(
    'NodeGetInfo',
    6,
    noArgs,
    struct({
      /** Letters of a C string, ended by 0. */
      model: fixedArray(int, nodeModelLetters),
      memoryKiB: uhyper,
      cpus: int,
      mhz: int,
      nodes: int,
      sockets: int,
      cores: int,
      threads: int,
    }),
  ),

  nodeGetMemoryStats: procedure(
    'NodeGetMemoryStats',
    228,
    struct({ count: int, cell: int, flags }),
    struct({ stats: array(struct({ field: string, valueKiB: uhyper }), 1_024), count: int }),
  ),

  connectListAllDomains: procedure(
    'ConnectListAllDomains',
    273,
    struct({ needResults: int, flags }),
    struct({ domains, count: uint }),
    slowMs,
  ),
  connectGetAllDomainStats: procedure(
    'ConnectGetAllDomainStats',
    344,
    struct({ domains, stats: uint, flags }),
    struct({ records: array(domainStatsRecord, 16_384) }),
    slowMs,
  ),
  eventRegister: procedure(
    'ConnectDomainEventRegisterAny',
    316,
    struct({ eventId: int, domain: optional(domain) }),
    struct({ callbackId: int }),
  ),
  eventDeregister: procedure('ConnectDomainEventDeregisterAny', 317, struct({ callbackId: int }), noReply),

  domainLookupByName: procedure('DomainLookupByName', 23, nameOnly, domainOnly, slowMs),
  domainDefineXml: procedure('DomainDefineXMLFlags', 350, xmlFlags, domainOnly, slowMs),
  domainCreateXml: procedure('DomainCreateXML', 10, xmlFlags, domainOnly, slowMs),
  domainCreate: procedure('DomainCreateWithFlags', 196, domainFlags, domainOnly, slowMs),
  domainSuspend: procedure('DomainSuspend', 34, domainOnly, noReply, slowMs),
  domainResume: procedure('DomainResume', 28, domainOnly, noReply, slowMs),
  domainManagedSave: procedure('DomainManagedSave', 182, domainFlags, noReply, longMs),
  domainShutdown: procedure('DomainShutdownFlags', 258, domainFlags, noReply, slowMs),
  domainDestroy: { ...procedure('DomainDestroyFlags', 234, domainFlags, noReply, slowMs), sameFor: uuidOf },
  domainUndefine: { ...procedure('DomainUndefineFlags', 231, domainFlags, noReply, slowMs), sameFor: uuidOf },
  domainGetXml: procedure('DomainGetXMLDesc', 14, domainFlags, struct({ xml: string }), slowMs),
  domainGetState: procedure('DomainGetState', 212, domainFlags, struct({ state: int, reason: int }), slowMs),
  domainGetMetadata: procedure(
    'DomainGetMetadata',
    265,
    struct({ domain, type: int, uri: optionalString, flags }),
    struct({ metadata: string }),
    slowMs,
  ),
  domainSetMetadata: procedure(
    'DomainSetMetadata',
    264,
    struct({ domain, type: int, metadata: optionalString, key: optionalString, uri: optionalString, flags }),
    noReply,
    slowMs,
  ),
  domainInterfaceAddresses: procedure(
    'DomainInterfaceAddresses',
    353,
    struct({ domain, source: uint, flags }),
    struct({ interfaces: array(domainInterface, 2048) }),
    slowMs,
  ),
  domainOpenConsole: procedure(
    'DomainOpenConsole',
    201,
    struct({ domain, device: optionalString, flags }),
    noReply,
    slowMs,
  ),
  domainMigratePerform: procedure(
    'DomainMigratePerform3Params',
    305,
    struct({ domain, destinationUri: optionalString, params: array(typedParameter, 64), cookie: migrateCookie, flags }),
    struct({ cookie: migrateCookie }),
    longMs,
  ),

  storagePoolCreateXml: procedure('StoragePoolCreateXML', 76, xmlFlags, struct({ pool: storagePool }), slowMs),
  storagePoolLookupByName: procedure('StoragePoolLookupByName', 84, nameOnly, struct({ pool: storagePool })),
  storagePoolLookupByTargetPath: procedure(
    'StoragePoolLookupByTargetPath',
    391,
    struct({ path: string }),
    struct({ pool: storagePool }),
  ),
  storagePoolRefresh: procedure('StoragePoolRefresh', 83, struct({ pool: storagePool, flags }), noReply, slowMs),
  storagePoolDestroy: procedure('StoragePoolDestroy', 80, struct({ pool: storagePool }), noReply, slowMs),
  storageVolumeCreateXml: procedure(
    'StorageVolCreateXML',
    93,
    struct({ pool: storagePool, xml: string, flags }),
    struct({ volume: storageVolume }),
    slowMs,
  ),
  storageVolumeLookupByName: procedure(
    'StorageVolLookupByName',
    95,
    struct({ pool: storagePool, name: string }),
    struct({ volume: storageVolume }),
  ),
  storageVolumeLookupByPath: procedure(
    'StorageVolLookupByPath',
    97,
    struct({ path: string }),
    struct({ volume: storageVolume }),
  ),
  storageVolumeDelete: procedure('StorageVolDelete', 94, struct({ volume: storageVolume, flags }), noReply, slowMs),

  networkLookupByName: procedure('NetworkLookupByName', 46, nameOnly, struct({ network })),
  networkIsActive: procedure('NetworkIsActive', 152, struct({ network }), struct({ active: int })),
  networkGetDhcpLeases: procedure(
    'NetworkGetDHCPLeases',
    341,
    struct({ network, mac: optionalString, needResults: int, flags }),
    struct({ leases: array(dhcpLease, 65_536), count: uint }),
  ),
} as const;
