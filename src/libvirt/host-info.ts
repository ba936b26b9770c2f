import type { HostInfo } from '../domain/hypervisor.ts';
import type { LibvirtLink } from './link.ts';
import { procedures } from './procedures.ts';

/** The host, as libvirt's daemon there tells of it. */
export async function readHostInfo(link: LibvirtLink): Promise<HostInfo> {
  const [{ hostname }, node, qemu, daemon] = await Promise.all([
    link.call(procedures.connectGetHostname, undefined),
    link.call(procedures.nodeGetInfo, undefined),
    link.call(procedures.connectGetVersion, undefined),
    link.call(procedures.connectGetLibVersion, undefined),
  ]);
  return {
    name: hostname,
    cpus: node.cpus,
    memoryBytes: Number(node.memoryKiB) * 1024,
    hypervisor: `QEMU ${dotted(qemu.version)}`,
    libvirt: dotted(daemon.version),
  };
}

/** 7002022 is 7.2.22. */
function dotted(version: bigint): string {
  return [version / 1_000_000n, (version / 1_000n) % 1_000n, version % 1_000n].join('.');
}
