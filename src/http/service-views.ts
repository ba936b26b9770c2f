import type { Revision, Service } from '../domain/service.ts';
import type { Vm } from '../domain/vm.ts';
import type { RevisionView, ServiceView } from '../protocol/services.ts';
import type { ServiceContext } from '../services/context.ts';
import type { ServiceController } from '../services/controller.ts';
import { serviceFigures } from '../services/figures.ts';
import { serverName } from '../services/lane.ts';
import type { SeenVm } from '../services/observe.ts';
import { serviceStatus } from '../services/status.ts';

/** The service part as HTTP sees it. */
export interface ServedServices {
  readonly context: ServiceContext;
  readonly controller: ServiceController;
}

/** A service as the API shows it. @param vms of all pools */
export async function serviceView(
  { context, controller }: ServedServices,
  service: Service,
  vms: readonly Vm[],
): Promise<ServiceView> {
  const { name, owner, protocol, flavor, current, port, createdAtMs } = service;
  const revisions = await context.store.services.revisions(name);
  const { min, max, warm, policies } = context.pools.settings(name) ?? service.settings;
  const all = vms.filter((vm) => vm.pool === name).length;
  const desired = context.pools.desired(name);
  const seen = controller.seen(name);
  const endpoints = new Set(controller.endpoints(name).map(({ vm }) => vm)).size;
  const lanes = controller.front.lanes(name) ?? [];
  const newest = revisions[0]?.number;
  const remembered = controller.failures.last(name);
  const lastFailure = currentFailure(service, seen) ?? (remembered?.revision === current ? remembered : null) ?? null;
  const status = serviceStatus({
    ...{ service, revisions, vms: all, desired, endpoints },
    vmsOfNewest: seen.filter(({ held }) => held.some((one) => one.number === newest && one.state === 'serving')).length,
    waitsFor: controller.waitsFor(name),
    problem: controller.front.problem(name),
    failure: seen.some(({ held }) => held.some((one) => one.state === 'failed')) ? lastFailure?.message : undefined,
  });
  return {
    ...{ name, owner, protocol, flavor, current, createdAtMs, ...status },
    settings: { min, max, warm, policies: [...policies] },
    address: port === null ? null : { host: context.rules.host, port },
    revisions: revisions.map(revisionView),
    vms: { all, desired: desired ?? null },
    stats: {
      endpoints,
      ...serviceFigures(lanes, controller.front.stats(name), seen),
      vms: vmStats(controller, name, seen),
    },
    lastFailure:
      lastFailure === null
        ? null
        : {
            vm: lastFailure.vm,
            revision: lastFailure.revision,
            message: lastFailure.message,
            traceback: lastFailure.traceback,
          },
  };
}

/** What each VM does, as the balancer counts it, or for udp as the VM itself does. */
function vmStats({ front }: ServiceController, name: string, seen: readonly SeenVm[]): ServiceView['stats']['vms'] {
  const lanes = front.lanes(name) ?? [];
  const balanced = front.stats(name);
  return [...new Set(lanes.map(({ vm }) => vm))].map((vm) => {
    const own = lanes.filter((lane) => lane.vm === vm);
    const names = new Set(own.map(serverName));
    const servers = balanced?.servers.filter((server) => names.has(server.name)) ?? [];
    const times = servers.flatMap(({ meanMs }) => meanMs ?? []);
    const held = seen.find((one) => one.vm.name === vm)?.held ?? [];
    return {
      vm,
      requests: sum((balanced === undefined ? held : servers).map(({ requests }) => requests)),
      inFlight: sum(own.map(({ inFlight }) => inFlight)),
      // Of two revisions that serve at the same time, the slower one.
      meanMs: times.length === 0 ? null : Math.max(...times),
    };
  });
}

function sum(values: readonly (number | null)[]): number {
  return values.reduce<number>((total, value) => total + (value ?? 0), 0);
}

/** What the VMs report at this moment of the revision that serves: that it failed, or that a request of it did. */
function currentFailure({ current }: Service, seen: readonly SeenVm[]): ServiceView['lastFailure'] | undefined {
  const reports = seen.flatMap(({ vm, held }) =>
    held.filter((one) => one.number === current).map((report) => ({ vm: vm.name, report })),
  );
  const found =
    reports.find(({ report }) => report.state === 'failed') ?? reports.find(({ report }) => report.traceback !== '');
  if (found === undefined) return undefined;
  const { number: revision, message, traceback } = found.report;
  return { vm: found.vm, revision, message: message === '' ? 'a request failed' : message, traceback };
}

function revisionView({ spec, ...revision }: Revision): RevisionView {
  const { number, state, message, traceback, createdAtMs } = revision;
  const { runtime, entry, processes, requestTimeoutMs, maxBodyBytes } = spec;
  return {
    ...{ number, state, message, traceback, createdAtMs, runtime, processes, requestTimeoutMs, maxBodyBytes },
    entry: entry.kind === 'handler' ? entry : { kind: 'command', argv: [...entry.argv] },
    files: spec.files.map((file) => file.name),
    environment: Object.keys(spec.environment),
  };
}
