import { type Process, readProcess } from '../../src/processes/process-table.ts';
import { machineOf } from '../../src/processes/qemu.ts';
import type { Fault, FaultContext } from './fault.ts';
import { signalProcess } from './signal-process.ts';

const always = (): true => true;

async function theServer({ installation }: FaultContext): Promise<Process | undefined> {
  return installation.serverPid === undefined ? undefined : readProcess(installation.serverPid);
}

/** Stops a process for a while, as a contended or suspended machine does. */
async function stopFor(context: FaultContext, victims: readonly Process[], ms: number): Promise<void> {
  for (const victim of victims) await signalProcess(victim, 'SIGSTOP');
  try {
    await context.pause(ms);
  } finally {
    for (const victim of victims) await signalProcess(victim, 'SIGCONT');
  }
}

/** Faults of processes of the host: killed, or stopped for a while. */
export const processFaults: readonly Fault[] = [
  {
    name: 'server-kill',
    weight: 3,
    group: 'server',
    isPossible: always,
    async make(context) {
      const server = await theServer(context);
      if (server === undefined) return undefined;
      await signalProcess(server, 'SIGKILL');
      return 'kill -9 of the server';
    },
  },
  {
    name: 'server-stop',
    weight: 3,
    group: 'server',
    isPossible: always,
    async make(context) {
      const server = await theServer(context);
      if (server === undefined) return undefined;
      const ms = context.random.pick([500, 3_000, 8_000, 20_000]) ?? 3_000;
      await stopFor(context, [server], ms);
      return `the server stood still for ${ms / 1_000} s`;
    },
  },
  {
    name: 'qemu-kill',
    weight: 4,
    group: '',
    isPossible: always,
    async make({ installation, random }) {
      const machine = random.pick(await installation.machines());
      if (machine === undefined) return undefined;
      await signalProcess(machine, 'SIGKILL');
      return `kill -9 of the QEMU of ${machineOf(machine)}`;
    },
  },
  {
    name: 'qemu-stop',
    weight: 4,
    group: '',
    isPossible: always,
    async make(context) {
      const machine = context.random.pick(await context.installation.machines());
      if (machine === undefined) return undefined;
      const ms = context.random.pick([300, 1_500, 10_000, 30_000]) ?? 1_500;
      await stopFor(context, [machine], ms);
      return `the QEMU of ${machineOf(machine)} stood still for ${ms / 1_000} s`;
    },
  },
  {
    name: 'haproxy-kill',
    weight: 2,
    group: 'haproxy',
    isPossible: always,
    async make({ installation, random }) {
      const all = await installation.frontDoor();
      const victims = random.chance(0.5) ? all : all.slice(0, 1);
      if (victims.length === 0) return undefined;
      for (const victim of victims) await signalProcess(victim, 'SIGKILL');
      return `kill -9 of ${victims.length} processes of HAProxy`;
    },
  },
  {
    name: 'haproxy-stop',
    weight: 2,
    group: 'haproxy',
    isPossible: always,
    async make(context) {
      const all = await context.installation.frontDoor();
      if (all.length === 0) return undefined;
      const ms = context.random.pick([1_000, 5_000, 15_000]) ?? 1_000;
      await stopFor(context, all, ms);
      return `HAProxy stood still for ${ms / 1_000} s`;
    },
  },
  {
    name: 'libvirtd-kill',
    weight: 2,
    group: 'libvirtd',
    isPossible: always,
    async make(context) {
      const daemons = await context.installation.daemons();
      if (daemons.length === 0) return undefined;
      for (const daemon of daemons) await signalProcess(daemon, 'SIGKILL');
      await context.pause(context.random.int(0, 8_000));
      await context.installation.restartDaemon();
      return "kill -9 of libvirt's daemon";
    },
  },
  {
    name: 'libvirtd-stop',
    weight: 2,
    group: 'libvirtd',
    isPossible: always,
    async make(context) {
      const daemons = await context.installation.daemons();
      if (daemons.length === 0) return undefined;
      const ms = context.random.pick([2_000, 10_000, 40_000]) ?? 2_000;
      await stopFor(context, daemons, ms);
      return `libvirt's daemon stood still for ${ms / 1_000} s`;
    },
  },
];
