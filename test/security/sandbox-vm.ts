import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { AttemptSpec } from '../../src/protocol/agent.ts';
import { type AgentVm, startAgentVm } from '../support/agent-vm.ts';
import { attemptSpec, type Result, runScript } from '../support/attempts.ts';

/** While an attack runs, the agent's slowest answer may take this long: emulated, on a machine that does other things. */
export const slowestHealthMs = 2_500;
const askEveryMs = 200;

export interface Attack {
  readonly title: string;
  /** A file of attacks/, or the script itself. */
  readonly script: string | Uint8Array;
  readonly limits?: Partial<AttemptSpec['limits']>;
  check(result: Result): void;
}

/** Runs each attack in one VM. Each time the agent must answer meanwhile, nothing may be left, and the next job must run. */
export function againstOneVm(attacks: readonly Attack[]): { vm(): AgentVm } {
  let started: AgentVm | undefined;
  const vm = (): AgentVm => {
    assert.ok(started !== undefined, 'the VM did not start');
    return started;
  };
  before(async () => {
    started = await startAgentVm();
  });
  after(() => started?.stop());
  for (const attack of attacks) {
    test(attack.title, async () => {
      const watch = watchHealth(vm());
      const result = await runAttack(vm(), attack);
      const slowestMs = await watch();
      attack.check(result);
      assert.ok(slowestMs < slowestHealthMs, `the agent took ${slowestMs} ms to answer`);
      await assertUnharmed(vm());
    });
  }
  return { vm };
}

/** Nothing of an earlier job is left, and an ordinary one runs. */
export async function assertUnharmed(vm: AgentVm): Promise<void> {
  const { report, stdout } = await runScript(vm.link, vm.agent, "print('fine')\n");
  assert.deepEqual([report.outcome, stdout], ['succeeded', 'fine\n'], JSON.stringify(report));
  // User ids from 100000 on are of jobs; the compile checkers (slot 256 and on) stay.
  const processes = await vm.shell("cat /proc/[0-9]*/status 2>/dev/null | busybox awk '/^Uid:/ { print $2 }'");
  const strangers = processes
    .split('\n')
    .map(Number)
    .filter((uid) => uid >= 100_000 && uid < 100_000 + 256 * 65_536);
  assert.deepEqual(strangers, [], 'processes of jobs are left');
}

async function runAttack(vm: AgentVm, attack: Attack): Promise<Result> {
  const isFile = typeof attack.script === 'string' && /^\w+\.py$/.test(attack.script);
  const path = isFile ? fileURLToPath(new URL(`attacks/${attack.script}`, import.meta.url)) : '';
  const script = isFile ? await readFile(path) : attack.script;
  const spec = attemptSpec({
    args: ['first', '-x'],
    ...(attack.limits === undefined ? {} : { limits: attack.limits }),
  });
  return runScript(vm.link, vm.agent, script, spec);
}

/** Asks for health all the time; the returned function stops that and tells the slowest answer. */
export function watchHealth(vm: AgentVm): () => Promise<number> {
  const stopping = new AbortController();
  const watching = (async (): Promise<number> => {
    let slowestMs = 0;
    while (!stopping.signal.aborted) {
      const askedAtMs = performance.now();
      await vm.link.health(vm.agent);
      slowestMs = Math.max(slowestMs, performance.now() - askedAtMs);
      await new Promise((resolve) => setTimeout(resolve, askEveryMs));
    }
    return Math.round(slowestMs);
  })();
  watching.catch(() => undefined); // Thrown where it is awaited.
  return () => {
    stopping.abort();
    return watching;
  };
}
