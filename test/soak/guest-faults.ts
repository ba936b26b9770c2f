import { setTimeout as sleep } from 'node:timers/promises';
import { consoleOf, GuestShell } from '../support/guest-shell.ts';
import type { Fault, FaultContext } from './fault.ts';

const consoleLimitMs = 25_000;
const always = (): true => true;

/**
 * Runs a command as root in a random VM in service, by its console. Returns the VM's name; undefined when there is none, or its
 * console does not answer, as may be while other faults last.
 */
async function inGuest(context: FaultContext, command: string): Promise<string | undefined> {
  const { random } = context;
  const client = await context.client();
  const vm = random.pick((await client.vms()).filter(({ state }) => state === 'ready' || state === 'draining'));
  if (vm === undefined) return undefined;
  const duplex = consoleOf(client, vm.name);
  try {
    const ran = new GuestShell(duplex).run(command).then(() => true);
    ran.catch(() => undefined); // It may fail long after the limit.
    const isDone = await Promise.race([ran, sleep(consoleLimitMs, false, { ref: false })]);
    return isDone ? vm.name : undefined;
  } catch {
    return undefined;
  } finally {
    duplex.destroy();
  }
}

/** Faults inside of guests, made by their consoles. */
export const guestFaults: readonly Fault[] = [
  {
    name: 'agent-stop',
    weight: 2,
    group: '',
    isPossible: always,
    async make(context) {
      const seconds = context.random.pick([2, 8, 40]) ?? 2;
      // The guest itself wakes its agent again, in case that the machine lives that long.
      const vm = await inGuest(context, `killall -STOP node; (sleep ${seconds}; killall -CONT node) >/dev/null 2>&1 &`);
      return vm === undefined ? undefined : `the agent of ${vm} stands still for ${seconds} s`;
    },
  },
  {
    name: 'agent-kill',
    weight: 2,
    group: '',
    isPossible: always,
    async make(context) {
      const vm = await inGuest(context, 'killall -KILL node');
      return vm === undefined ? undefined : `kill -9 of the agent of ${vm}`;
    },
  },
  {
    name: 'agent-cut',
    weight: 3,
    group: '',
    isPossible: always,
    async make(context) {
      const seconds = context.random.pick([2, 10, 45]) ?? 2;
      const vm = await inGuest(
        context,
        `(ip link set eth0 down; sleep ${seconds}; ip link set eth0 up; ip route add default via 10.0.2.2) >/dev/null 2>&1 &`,
      );
      return vm === undefined ? undefined : `${vm} is cut off for ${seconds} s`;
    },
  },
  {
    name: 'guest-clock',
    weight: 1,
    group: '',
    isPossible: always,
    async make(context) {
      const seconds = context.random.pick([-7_200, -30, 30, 86_400]) ?? 30;
      const vm = await inGuest(context, `date -s @$(($(date +%s) + ${seconds})) >/dev/null`);
      return vm === undefined ? undefined : `the clock of ${vm} was set by ${seconds} s`;
    },
  },
];
