import type { LibvirtLink } from './link.ts';
import { procedures } from './procedures.ts';

/** What of the host's capabilities changes the machines that we define. */
export interface HostCapabilities {
  /** QEMU runs as a user of its own, and libvirt gives that user the files that a machine names. */
  readonly changesOwners: boolean;
}

/** Asks once; a host does not change while a connection lives. */
export async function readCapabilities(link: LibvirtLink): Promise<HostCapabilities> {
  const { xml } = await link.call(procedures.connectGetCapabilities, undefined);
  return { changesOwners: /<secmodel>\s*<model>dac<\/model>/.test(xml) };
}
