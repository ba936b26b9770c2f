import type { Revision, Service } from '../domain/service.ts';

/** What a service does, in one word for programs. */
export type ServiceCondition = 'serving' | 'rolling' | 'starting' | 'failing' | 'stopping' | 'stopped' | 'deleting';

export interface ServiceFacts {
  readonly service: Service;
  /** Newest first. */
  readonly revisions: readonly Revision[];
  /** VMs of its pool, and on how many of them the newest revision runs. */
  readonly vms: number;
  readonly vmsOfNewest: number;
  /** VMs wanted in service; undefined while it has no pool. */
  readonly desired: number | undefined;
  /** VMs that requests go to. */
  readonly endpoints: number;
  /** Why it cannot have the VMs that it needs yet. */
  readonly waitsFor: string | undefined;
  /** Why clients cannot come in. */
  readonly problem: string | undefined;
  /** Why a VM does not serve. */
  readonly failure: string | undefined;
}

/** What a service does, and why, in words. Pure. */
export function serviceStatus(facts: ServiceFacts): { readonly state: ServiceCondition; readonly reason: string } {
  const { service, revisions, vms, problem, waitsFor } = facts;
  if (service.isLeaving) return { state: 'deleting', reason: `is being deleted; ${shutDown(vms)}` };
  if (!service.isRunning) {
    return vms > 0 ? { state: 'stopping', reason: shutDown(vms) } : { state: 'stopped', reason: 'stopped' };
  }
  const rolling = revisions.find((one) => one.state === 'rolling');
  const status =
    rolling !== undefined
      ? rollingStatus(facts, rolling.number)
      : service.current === null
        ? broken(facts)
        : serving(facts);
  const notes = [problem, waitsFor].filter((note) => note !== undefined);
  return { state: problem === undefined ? status.state : 'failing', reason: [status.reason, ...notes].join('; ') };
}

type Status = ReturnType<typeof serviceStatus>;

function rollingStatus(facts: ServiceFacts, number: number): Status {
  const { service, vms, vmsOfNewest, desired } = facts;
  if (desired === 0 && vms === 0) {
    return { state: 'starting', reason: `revision ${number} waits for a VM: the pool wants none` };
  }
  const progress = `revision ${number} is being brought up: on ${vmsOfNewest} of ${plural(vms, 'VM')}`;
  if (service.current === null) return { state: 'starting', reason: progress };
  return { state: 'rolling', reason: `${progress}; ${serving(facts).reason}` };
}

function serving({ service, endpoints, vms, desired, failure }: ServiceFacts): Status {
  const revision = `revision ${service.current}`;
  if (endpoints > 0) return { state: 'serving', reason: `${revision} serves from ${plural(endpoints, 'VM')}` };
  if (failure !== undefined) return { state: 'failing', reason: `${revision} serves from no VM: ${failure}` };
  if (desired === 0 && vms === 0) return { state: 'starting', reason: `${revision} has no VM: the pool wants none` };
  return { state: 'starting', reason: `${revision} serves from no VM yet; ${plural(vms, 'VM')} on the way` };
}

function broken({ revisions }: ServiceFacts): Status {
  const [newest] = revisions;
  if (newest === undefined) return { state: 'failing', reason: 'it has no revision' };
  return { state: 'failing', reason: `it does not serve: revision ${newest.number} failed: ${newest.message}` };
}

function shutDown(vms: number): string {
  return vms === 0 ? 'its VMs are gone' : `${plural(vms, 'VM')} ${vms === 1 ? 'is' : 'are'} being shut down`;
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
