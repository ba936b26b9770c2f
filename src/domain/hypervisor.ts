import { TidepoolError } from './errors.ts';
import type { Flavor } from './flavor.ts';

/**
 * Port: one hypervisor host. It creates, finds, controls and removes Tidepool's own machines and nothing else.
 * Implementations: `libvirt/hypervisor.ts` (real), `fake/hypervisor.ts` (tests, simulator). One conformance suite
 * (`test/conformance/hypervisor.ts`) runs on both.
 *
 * A machine is Tidepool's when its metadata carries our namespace and this installation's id; machines without
 * it are never listed, touched or removed.
 */
export interface Hypervisor {
  /** Where this is, for messages and logs: a libvirt URI, or `fake:///`. */
  readonly uri: string;
  /** The host itself. Errors: `unavailable`, `timeout`. */
  hostInfo(): Promise<HostInfo>;
  /** Every machine of this installation on this host, running or not, read back from the hypervisor itself. */
  list(): Promise<Machine[]>;
  /** One machine, or undefined when there is none of that name (of ours). */
  get(name: string): Promise<Machine | undefined>;
  /**
   * Makes the linked clone and whatever else the machine needs, defines it, starts it.
   * On failure nothing is left behind. Errors: `conflict` (`nameTaken` when, and only when, the name exists), `invalid` (a file of the spec is
   * missing or unreadable to QEMU), `exhausted` (no memory, disk or port on the host), `unavailable`, `timeout`.
   */
  create(spec: MachineSpec): Promise<Machine>;
  /** Pauses the guest's CPUs; memory stays. `conflict` when not running. */
  suspend(name: string): Promise<void>;
  /** `conflict` when not paused. */
  resume(name: string): Promise<void>;
  /** Asks the guest to power down (ACPI). Returns at once; a `stopped` event tells when it did. */
  shutdown(name: string): Promise<void>;
  /** Pulls the plug. A machine that is off already is not an error. */
  destroy(name: string): Promise<void>;
  /** Destroys if need be, undefines, deletes overlay and secrets. Idempotent: an unknown name is not an error. */
  remove(name: string): Promise<void>;
  /** How much memory and disk the host has left for further machines. Errors: `unavailable`, `timeout`. */
  hostRoom(): Promise<HostRoom>;
  /**
   * Returns in words why no machine can be put on this network now, such as a network that does not exist or is not active;
   * undefined when nothing is known against it. Errors: `unavailable`, `timeout`.
   */
  networkTrouble(network: MachineNetwork): Promise<string | undefined>;
  /** CPU, memory, disk and network counters of all our machines by one call. */
  stats(): Promise<MachineStats[]>;
  /** Calls the listener for each lifecycle change of our machines until the returned function is called. */
  onEvent(listener: (event: MachineEvent) => void): () => void;
  /** The machine's serial console, both ways. Closing the duplex detaches. */
  openConsole(name: string): Promise<import('node:stream').Duplex>;
  /** Starts a throw-away probe machine and tells whether it powered itself off within `timeoutMs`. */
  probe(spec: ProbeSpec): Promise<ProbeResult>;
  close(): Promise<void>;
}

/** A host, as its hypervisor tells of it. */
export interface HostInfo {
  readonly name: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Name and version, as `QEMU 7.2.22`. */
  readonly hypervisor: string;
  /** Version of libvirt's daemon, as `9.0.0`. */
  readonly libvirt: string;
}

/** What a host has left, in bytes. */
export interface HostRoom {
  readonly memoryBytes: number;
  /** Free memory, less what our machines were promised and have not touched yet: QEMU takes it only when the guest does. */
  readonly memoryFreeBytes: number;
  /** The file system of the machines' disks; null when this process cannot see it, as on another host. */
  readonly disk: { readonly sizeBytes: number; readonly freeBytes: number } | null;
}

export type Accelerator = 'kvm' | 'tcg';
export type MachineRole = 'worker' | 'probe';

/** `running` and `paused` hold memory; `off` is defined but has no process; `crashed` is off after a panic or kill. */
export type MachineState = 'running' | 'paused' | 'off' | 'crashed';

/**
 * Why the CPUs of a machine stand: somebody asked for it; the host had no room when the machine wrote to its disk, and
 * `resume` repeats the write; or anything else.
 */
export type PauseReason = 'asked' | 'no_room' | 'other';

/** What we store in the machine's own metadata, so that a restart can read the pool back from libvirt. */
export interface MachineTags {
  readonly pool: string;
  readonly role: MachineRole;
  /** Content address of the image that the machine was cloned from. */
  readonly imageId: string;
  /** Names the pre-shared key that the machine was given (never the key itself). */
  readonly keyId: string;
  /** Milliseconds since 1970. */
  readonly createdAtMs: number;
}

/** A guest port that the host side must be able to reach. `name` is unique within a machine, e.g. `agent`. */
export interface PortRequest {
  readonly name: string;
  readonly protocol: 'tcp' | 'udp';
  readonly guestPort: number;
  /**
   * Which of the machine's network devices: the guest's own (unless given), or a second one that the agent hands to the
   * container of a service. The second device is there only when a port asks for it, and only with network `user`; its
   * ports are of one protocol.
   */
  readonly device?: 'guest' | 'service';
}

/** Where a requested port can be reached from the control plane. */
export interface Endpoint {
  readonly name: string;
  readonly protocol: 'tcp' | 'udp';
  readonly host: string;
  readonly port: number;
}

/**
 * `user`: QEMU user-mode networking, guest shut off from everything (`restrict=on`), ports forwarded on 127.0.0.1.
 * `network`: a libvirt network by name. `bridge`: a host bridge by name.
 */
export type MachineNetwork =
  | { readonly kind: 'user' }
  | { readonly kind: 'network'; readonly name: string }
  | { readonly kind: 'bridge'; readonly name: string };

/** A read-only disk shared by many machines, e.g. a runtime's squashfs. `serial` names it in /dev/disk/by-id (max 20 chars). */
export interface SharedDisk {
  readonly path: string;
  readonly serial: string;
}

export interface MachineSpec {
  /** `<prefix>-0000`; letters, digits, dashes; at most 40 characters. Also the guest's hostname. */
  readonly name: string;
  readonly tags: MachineTags;
  readonly flavor: Flavor;
  readonly accelerator: Accelerator;
  readonly boot: { readonly kernelPath: string; readonly initrdPath: string; readonly commandLine: string };
  /** The golden image (qcow2); the machine gets its own overlay on it, grown to the flavor's disk. */
  readonly imagePath: string;
  readonly sharedDisks: readonly SharedDisk[];
  readonly network: MachineNetwork;
  readonly ports: readonly PortRequest[];
  /**
   * Handed to the guest by fw_cfg as `opt/tidepool/<key>`, from files of mode 0600: never on a command line.
   * Values are small (at most 64 KiB each).
   */
  readonly secrets: Readonly<Record<string, Uint8Array>>;
}

export interface Machine {
  readonly name: string;
  readonly uuid: string;
  readonly state: MachineState;
  /** Null unless it is paused. */
  readonly pauseReason: PauseReason | null;
  readonly tags: MachineTags;
  readonly flavor: Pick<Flavor, 'vcpus' | 'memoryMiB'>;
  /** Empty while the address is not known yet (DHCP). */
  readonly endpoints: readonly Endpoint[];
}

/** Counters grow from the machine's start; ask twice and take the difference. */
export interface MachineStats {
  readonly name: string;
  readonly state: MachineState;
  readonly vcpus: number;
  /** Nanoseconds of CPU time used by the guest since it started; null when the hypervisor left it out. */
  readonly cpuTimeNs: bigint | null;
  /** Nanoseconds in which its vCPUs had work and waited for a CPU of the host; null when the host does not tell. */
  readonly cpuDelayNs: bigint | null;
  /** Memory that the guest was given. */
  readonly memoryBytes: number;
  /** Resident memory of the guest's process on the host. */
  readonly memoryRssBytes: number;
  readonly diskReadBytes: number;
  readonly diskWriteBytes: number;
  readonly networkReceiveBytes: number;
  readonly networkTransmitBytes: number;
}

export interface MachineEvent {
  readonly name: string;
  /** `gone` means undefined: no trace of it is left in the hypervisor. */
  readonly kind: 'started' | 'suspended' | 'resumed' | 'stopped' | 'crashed' | 'gone';
  /** The hypervisor's own word for why, e.g. `shutdown`, `destroyed`, `failed`. */
  readonly detail: string;
}

export interface ProbeSpec {
  readonly accelerator: Accelerator;
  readonly kernelPath: string;
  readonly initrdPath: string;
  readonly commandLine: string;
  readonly timeoutMs: number;
}

export interface ProbeResult {
  readonly booted: boolean;
  readonly elapsedMs: number;
  /** Why not, in words, when `booted` is false. */
  readonly reason: string;
}

/** What `create` rejects with when a machine of that name exists, of whomever. */
export function nameTaken(name: string): TidepoolError {
  return new TidepoolError('conflict', `there is a domain named ${name} already`, { details: { takenName: name } });
}

/** Whether an error says that the name of a new machine exists already; other conflicts do not. */
export function isNameTaken(thrown: unknown): boolean {
  return thrown instanceof TidepoolError && thrown.details.takenName !== undefined;
}
