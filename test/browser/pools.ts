import { PassThrough } from 'node:stream';
import type { Decision } from '../../src/domain/scaling.ts';
import { readyVm } from '../../src/fake/vm.ts';
import type { ServedPool } from '../../src/http/context.ts';
import type { Usage } from '../../src/metrics/usage.ts';
import type { TestWeb, WebSettings } from '../accounts/server.ts';

const seconds = 120;
/** How each VM of the pool is used, t from 0 to 1. */
const curves: Readonly<Record<string, (t: number) => number>> = {
  'default-0001': (t) => 0.35 + 0.5 * t + 0.05 * Math.sin(40 * t),
  'default-0002': (t) => 0.3 + 0.55 * t + 0.06 * Math.cos(33 * t),
  'default-0003': (t) => (t < 0.6 ? 0.05 : 0.75 + 0.05 * Math.sin(50 * t)),
};

/** A pool that does what it is told at once, and VMs with a past. */
export class ScriptedPool {
  /** What it was told, in order. */
  readonly told: string[] = [];
  settings = { min: 1, max: 6, warm: 1, policies: ['window5-80-35', 'backlog'], paused: false };
  desired = 3;

  /** What the server is made with. */
  serverSettings(): WebSettings {
    return { pools: [this.#served()], usages: usagesSince, openConsole: async (vm) => fakeConsole(vm) };
  }

  /** Its VMs and what has happened to them, in the store. */
  async fill({ context }: TestWeb): Promise<void> {
    const { store, clock, changes } = context.jobs;
    const nowMs = clock.now();
    await store.vms.delete('test-0000');
    for (const name of Object.keys(curves))
      await store.vms.insert(readyVm({ name, stateSinceMs: nowMs - 90_000, createdAtMs: nowMs - 120_000 }));
    await store.vms.insert(readyVm({ name: 'default-0004', state: 'warm', stateSinceMs: nowMs - 30_000 }));
    await store.vms.insert(readyVm({ name: 'default-0005', state: 'booting', stateSinceMs: nowMs - 4_000 }));
    const add = (secondsAgo: number, name: string, vm: string | null, text: string, data = {}) =>
      store.events.append({
        atMs: nowMs - secondsAgo * 1_000,
        name: name as 'vm.failed',
        pool: 'default',
        vm,
        text,
        data,
      });
    await add(100, 'pool.decision', null, 'grows from 2 to 3 (window5-80-35: all 5 s above 80 %)', {
      from: 2,
      desired: 3,
    });
    await add(100, 'vm.launching', 'default-0003', 'is being made');
    await add(62, 'vm.launched', 'default-0003', 'takes work');
    await add(20, 'vm.failed', 'default-0000', 'its agent does not answer; a new one takes its place');
    changes.notify('events');
  }

  #served(): ServedPool {
    const { told } = this;
    const self = this;
    const controller = {
      waitsFor: null,
      get size() {
        return { settings: self.settings, desired: self.desired };
      },
      async scale(desired: number) {
        self.desired = desired;
        told.push(`scale ${desired}`);
      },
      async change(changes: object) {
        self.settings = { ...self.settings, ...changes };
        told.push(`change ${JSON.stringify(changes)}`);
      },
      async drainVm(name: string) {
        told.push(`drain ${name}`);
      },
      async deleteVm(name: string) {
        told.push(`delete ${name}`);
      },
    };
    const autoscaler = { lastDecision: decision(), decide: async () => decision(), checkPolicies: () => undefined };
    return { name: 'default', flavor: 'small', controller, autoscaler } as unknown as ServedPool;
  }
}

function decision(): Decision {
  const numbers = { growAbove: 0.8, shrinkBelow: 0.35, windowMs: 5_000 };
  const text = 'not all of the last 5 s are above 80 %, nor all below 35 %';
  return {
    ...{ pool: 'default', atMs: Date.now(), from: 3, desired: 3, action: 'none', limits: [] },
    recommendations: [{ policy: 'window5-80-35', desired: 3, reason: { code: 'InBand', text, numbers } }],
  } as unknown as Decision;
}

function usagesSince(vm: string, sinceMs: number): Usage[] {
  return usages(vm).filter(({ atMs }) => atMs > sinceMs);
}

function usages(vm: string): Usage[] {
  const curve = curves[vm];
  const untilMs = Math.floor(Date.now() / 1_000) * 1_000;
  if (curve === undefined) return [];
  return Array.from({ length: seconds }, (_, i) => ({
    atMs: untilMs - (seconds - 1 - i) * 1_000,
    cpu: Math.min(1, curve(i / seconds)),
    cpuWanted: Math.min(1, curve(i / seconds)),
    memoryBytes: (400 + 200 * (i / seconds)) * 1024 ** 2,
    ...{ diskReadBytesPerSecond: 0, diskWriteBytesPerSecond: 0 },
    ...{ networkReceiveBytesPerSecond: 0, networkTransmitBytesPerSecond: 0 },
  }));
}

function fakeConsole(vm: string): PassThrough {
  const console = new PassThrough();
  console.write(`\u001b[1mLinux on ${vm}\u001b[0m\r\nagent listens\r\n`);
  return console;
}
