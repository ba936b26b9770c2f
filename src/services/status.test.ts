import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rollingRevision, runningService } from '../fake/service.ts';
import { type ServiceFacts, serviceStatus } from './status.ts';

const current = rollingRevision({ number: 1, state: 'current' });
const rolling = rollingRevision({ number: 2 });
const failed = rollingRevision({ number: 2, state: 'failed', message: 'on fib-0000: it does not import' });

function told(fields: Partial<ServiceFacts>): string {
  const { state, reason } = serviceStatus({
    ...{ service: runningService({ current: 1 }), revisions: [current], vms: 2, vmsOfNewest: 0, desired: 2 },
    ...{ endpoints: 2, waitsFor: undefined, problem: undefined, failure: undefined },
    ...fields,
  });
  return `${state}: ${reason}`;
}

test('a service says in words what it does and why', () => {
  const fresh = { service: runningService(), revisions: [rollingRevision()], endpoints: 0 };
  const cases: readonly [Partial<ServiceFacts>, string][] = [
    [{}, 'serving: revision 1 serves from 2 VMs'],
    [{ endpoints: 1 }, 'serving: revision 1 serves from 1 VM'],
    [{ endpoints: 0 }, 'starting: revision 1 serves from no VM yet; 2 VMs on the way'],
    [{ endpoints: 0, failure: 'it ends' }, 'failing: revision 1 serves from no VM: it ends'],
    [{ endpoints: 0, vms: 0, desired: 0 }, 'starting: revision 1 has no VM: the pool wants none'],
    [{ problem: 'port 80 is taken' }, 'failing: revision 1 serves from 2 VMs; port 80 is taken'],
    [fresh, 'starting: revision 1 is being brought up: on 0 of 2 VMs'],
    [
      { ...fresh, vms: 0, waitsFor: 'ml is being built' },
      'starting: revision 1 is being brought up: on 0 of 0 VMs; ml is being built',
    ],
    [{ ...fresh, vms: 0, desired: 0 }, 'starting: revision 1 waits for a VM: the pool wants none'],
    [
      { revisions: [rolling, current], vmsOfNewest: 1 },
      'rolling: revision 2 is being brought up: on 1 of 2 VMs; revision 1 serves from 2 VMs',
    ],
    [{ revisions: [failed, current] }, 'serving: revision 1 serves from 2 VMs'],
    [
      { service: runningService(), revisions: [failed], endpoints: 0 },
      'failing: it does not serve: revision 2 failed: on fib-0000: it does not import',
    ],
    [{ service: runningService({ isRunning: false }) }, 'stopping: 2 VMs are being shut down'],
    [{ service: runningService({ isRunning: false }), vms: 0 }, 'stopped: stopped'],
    [
      { service: runningService({ isRunning: false, isLeaving: true }), vms: 1 },
      'deleting: is being deleted; 1 VM is being shut down',
    ],
  ];
  for (const [fields, words] of cases) assert.equal(told(fields), words);
});
