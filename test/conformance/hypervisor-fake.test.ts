import { systemClock } from '../../src/clock/system-clock.ts';
import type { MachineSpec, ProbeSpec } from '../../src/domain/hypervisor.ts';
import { FakeHost } from '../../src/fake/host.ts';
import { FakeHypervisor } from '../../src/fake/hypervisor.ts';
import { type HypervisorHarness, hypervisorConformance } from './hypervisor.ts';

hypervisorConformance('fake', async (): Promise<HypervisorHarness> => {
  const host = new FakeHost();
  const connect = (installationId: string): FakeHypervisor =>
    new FakeHypervisor({
      clock: systemClock,
      installationId,
      host,
      fileExists: (path) => !path.startsWith('/nonexistent/'),
      probeBoots: (spec) => spec.initrdPath === 'poweroff',
      guest: { consoleLine: (_name, line) => `heard: ${line}` },
      delays: { createMs: 1, destroyMs: 1, shutdownMs: 1 },
    });
  const knobs = connect('the hands');
  const probe: ProbeSpec = {
    accelerator: 'tcg',
    kernelPath: 'kernel',
    initrdPath: 'poweroff',
    commandLine: '',
    timeoutMs: 50,
  };
  return {
    connect: async (installationId) => connect(installationId),
    spec: fakeSpec,
    poweroffProbe: probe,
    hangingProbe: { ...probe, initrdPath: 'hangs' },
    byHand: {
      kill: async (name) => knobs.crash(name),
      destroy: async (name) => knobs.stopByHand(name),
      undefine: async (name) => knobs.vanish(name),
      defineStranger: async (name) => {
        await connect('a stranger').create({ ...fakeSpec, name });
      },
      exists: async (name) => host.machines.has(name),
    },
    leftovers: async () => [],
    dispose: () => knobs.close(),
  };
});

const fakeSpec: Omit<MachineSpec, 'name'> = {
  tags: { pool: 'workers', role: 'worker', imageId: 'image', keyId: 'key', createdAtMs: 1_780_000_000_000 },
  flavor: { name: 'tiny', vcpus: 1, memoryMiB: 128, diskGiB: 1 },
  accelerator: 'tcg',
  boot: { kernelPath: 'kernel', initrdPath: 'initrd', commandLine: '' },
  imagePath: 'image',
  sharedDisks: [],
  network: { kind: 'user' },
  ports: [{ name: 'agent', protocol: 'tcp', guestPort: 9000 }],
  secrets: { 'agent-key': new Uint8Array(32) },
};
