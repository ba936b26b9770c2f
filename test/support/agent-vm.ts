import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { HttpsAgentLink } from '../../src/agentlink/agent-link.ts';
import { Connections } from '../../src/agentlink/connections.ts';
import { HttpsServiceLink } from '../../src/agentlink/service-link.ts';
import { systemClock } from '../../src/clock/system-clock.ts';
import { defaultCacheDir } from '../../src/config/paths.ts';
import type { AgentAddress, AgentLink } from '../../src/domain/agent-link.ts';
import type { Endpoint, PortRequest } from '../../src/domain/hypervisor.ts';
import { runtimeDiskSerial } from '../../src/domain/image.ts';
import type { ServiceLink } from '../../src/domain/service-link.ts';
import { buildImage } from '../../src/image/build-image.ts';
import { buildRuntime } from '../../src/image/build-runtime.ts';
import { bundleAgent } from '../../src/image/bundle-agent.ts';
import type { BuiltInRuntime } from '../../src/image/runtime-recipe.ts';
import { connectLibvirtHypervisor } from '../../src/libvirt/hypervisor.ts';
import { agentPort } from '../../src/protocol/agent.ts';
import { servicePorts } from '../../src/protocol/agent-service.ts';
import { GuestShell } from './guest-shell.ts';
import { machineFolder, quietLog, testUri } from './libvirt-harness.ts';

const agentMain = fileURLToPath(new URL('../../src/agent/main.ts', import.meta.url));
const bootLimitMs = 180_000;

/** A real VM from the golden image with this checkout's agent in it. */
export interface AgentVm {
  readonly agent: AgentAddress;
  readonly link: AgentLink;
  readonly serviceLink: ServiceLink;
  /** Where the ports of its service device are reached, by guest port. */
  readonly services: ReadonlyMap<number, Endpoint>;
  /** Where the further port is reached. */
  readonly other: Endpoint | undefined;
  /** Root's shell on the serial console, for what a test does to the guest from within. */
  shell(command: string): Promise<string>;
  stop(): Promise<void>;
}

/** Boots one, and returns when its agent answers. Image and runtimes are built when the cache does not have them. */
export async function startAgentVm(
  options: {
    runtimes?: readonly BuiltInRuntime[];
    memoryMiB?: number;
    vcpus?: number;
    /** With the second network device, that of services, for ports of this protocol. */
    services?: 'tcp' | 'udp';
    /** Disks beside the runtimes, each a squashfs file; the guest has it at /runtimes/NAME. */
    disks?: readonly { readonly name: string; readonly path: string }[];
    /** A further port of the guest that is reached from here. */
    port?: number;
  } = {},
): Promise<AgentVm> {
  const cacheDir = defaultCacheDir();
  const agentBundle = await bundleAgent(agentMain);
  const image = await buildImage({ cacheDir, nodePath: process.execPath, agentBundle, clock: systemClock });
  const sharedDisks = [];
  for (const name of options.runtimes ?? ['python' as const]) {
    const runtime = await buildRuntime(name, { cacheDir, clock: systemClock });
    sharedDisks.push({ path: runtime.path, serial: runtimeDiskSerial(name) });
  }
  for (const { name, path } of options.disks ?? []) sharedDisks.push({ path, serial: runtimeDiskSerial(name) });
  const machineDir = await machineFolder();
  const installationId = `agent-test-${randomBytes(4).toString('hex')}`;
  const hypervisor = await connectLibvirtHypervisor({
    uri: testUri,
    machineDir,
    installationId,
    clock: systemClock,
    env: process.env,
    log: quietLog,
  });
  const name = installationId;
  const connections = new Connections();
  const link = new HttpsAgentLink(systemClock, connections);
  const serviceLink = new HttpsServiceLink(systemClock, connections);
  const stop = async (): Promise<void> => {
    await link.close();
    await hypervisor.remove(name);
    await hypervisor.close();
    await rm(machineDir, { recursive: true, force: true });
  };
  const key = randomBytes(32);
  try {
    const machine = await hypervisor.create({
      name,
      tags: { pool: 'test', role: 'worker', imageId: image.id, keyId: 'test-key', createdAtMs: systemClock.now() },
      flavor: { name: 'test', vcpus: options.vcpus ?? 1, memoryMiB: options.memoryMiB ?? 1024, diskGiB: 10 },
      accelerator: 'tcg',
      boot: { ...image, commandLine: `${image.commandLine} tidepool.net=user` },
      imagePath: image.diskPath,
      sharedDisks,
      network: { kind: 'user' },
      ports: [
        { name: 'agent', protocol: 'tcp', guestPort: agentPort },
        ...(options.services === undefined ? [] : portsOfServices(options.services)),
        ...(options.port === undefined ? [] : [{ name: 'other', protocol: 'tcp', guestPort: options.port } as const]),
      ],
      secrets: { 'agent-key': key, 'agent-key-id': Buffer.from('test-key'), hostname: Buffer.from(name) },
    });
    const endpoint = machine.endpoints.find((one) => one.name === 'agent');
    if (endpoint === undefined) throw new Error('the VM has no endpoint for its agent');
    const agent = { host: endpoint.host, port: endpoint.port, keyId: 'test-key', key };
    const console = new GuestShell(await hypervisor.openConsole(name));
    await untilHealthy(link, agent);
    const services = new Map<number, Endpoint>();
    for (const port of servicePorts) {
      const reached = machine.endpoints.find((one) => one.name === serviceEndpoint(port));
      if (reached !== undefined) services.set(port, reached);
    }
    const other = machine.endpoints.find((one) => one.name === 'other');
    return { agent, link, serviceLink, services, other, shell: (command) => console.run(command), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const serviceEndpoint = (guestPort: number): string => `service-${guestPort}`;

function portsOfServices(protocol: 'tcp' | 'udp'): PortRequest[] {
  return servicePorts.map((guestPort) => ({
    name: serviceEndpoint(guestPort),
    protocol,
    guestPort,
    device: 'service' as const,
  }));
}

/** Resolves when the agent answers; rejects with its last error when it does not for a long time. */
export async function untilHealthy(link: AgentLink, agent: AgentAddress): Promise<void> {
  const giveUpAtMs = systemClock.now() + bootLimitMs;
  for (;;) {
    try {
      await link.health(agent, AbortSignal.timeout(2_000));
      return;
    } catch (error) {
      if (systemClock.now() > giveUpAtMs) throw error;
      await systemClock.sleep(100);
    }
  }
}
