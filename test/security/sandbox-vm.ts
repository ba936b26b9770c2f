import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { AttemptSpec } from '../../src/protocol/agent.ts';
import { FrameDecoder } from '../../src/protocol/output-frames.ts';
import { type AgentVm, startAgentVm } from '../support/agent-vm.ts';
import { attemptSpec, collect, type Result, runScript, startAttempt, textFiles } from '../support/attempts.ts';
import { until } from '../support/poll.ts';
import { Stopwatch } from '../support/stopwatch.ts';

/**
 * While an attack runs, half of the agent's answers come within this: emulated, on a machine that does other things. Single
 * ones may take as long as a call may (10 s): a pool gives up an agent whose machine is busy after 15 s.
 */
const usualHealthMs = 2_500;
const askEveryMs = 200;
const goneLimitMs = 60_000;

export interface Attack {
  readonly title: string;
  /** A file of attacks/, or the script itself. */
  readonly script: string | Uint8Array;
  readonly limits?: Partial<AttemptSpec['limits']>;
  /** It is stopped as soon as its output, or a notice in it, has this; else it runs to its end or a limit. */
  readonly stopAt?: string;
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
      const result = await runAttack(vm(), attack).finally(() => watch().catch(() => undefined));
      const answers = await watch();
      attack.check(result);
      assertAnswered(answers);
      await assertUnharmed(vm());
    });
  }
  return { vm };
}

/** Nothing of an earlier job is left, and an ordinary one runs. */
export async function assertUnharmed(vm: AgentVm): Promise<void> {
  const { report, stdout } = await runScript(vm.link, vm.agent, "print('fine')\n");
  assert.deepEqual([report.outcome, stdout], ['succeeded', 'fine\n'], JSON.stringify(report));
  // What was killed is there until it has been collected.
  await until(
    () => strangers(vm),
    (uids) => uids.length === 0,
    goneLimitMs,
  );
}

/** The user ids of processes of jobs, which are those from 100000 on; the compile checkers (slot 256 and on) stay. */
async function strangers(vm: AgentVm): Promise<number[]> {
  const processes = await vm.shell("cat /proc/[0-9]*/status 2>/dev/null | busybox awk '/^Uid:/ { print $2 }'");
  const uids = processes.split('\n').map(Number);
  return uids.filter((uid) => uid >= 100_000 && uid < 100_000 + 256 * 65_536);
}

async function runAttack(vm: AgentVm, attack: Attack): Promise<Result> {
  const isFile = typeof attack.script === 'string' && /^\w+\.py$/.test(attack.script);
  const path = isFile ? fileURLToPath(new URL(`attacks/${attack.script}`, import.meta.url)) : '';
  const script = isFile ? await readFile(path) : attack.script;
  const spec = attemptSpec({
    args: ['first', '-x'],
    ...(attack.limits === undefined ? {} : { limits: attack.limits }),
  });
  if (attack.stopAt === undefined) return runScript(vm.link, vm.agent, script, spec);
  await startAttempt(vm.link, vm.agent, spec, textFiles({ [spec.entrypoint]: script }));
  await untilSaid(vm, spec.id, attack.stopAt);
  await vm.link.stop(vm.agent, spec.id);
  const result = await collect(vm.link, vm.agent, spec.id);
  await vm.link.remove(vm.agent, [spec.id]);
  return result;
}

/** Until the output, or what the agent notes in it, has this text, or it ends. */
async function untilSaid(vm: AgentVm, id: string, text: string): Promise<void> {
  const decoder = new FrameDecoder();
  const ends = { stdout: '', stderr: '', notice: '' };
  for await (const chunk of vm.link.output(vm.agent, id, 0)) {
    for (const { stream, data } of decoder.push(chunk)) {
      const said = ends[stream] + Buffer.from(data).toString('latin1');
      if (said.includes(text)) return;
      // The text may go on in the next piece.
      ends[stream] = said.slice(-text.length);
    }
  }
}

/**
 * Asks for health all the time; the returned function stops that and tells how long each answer took, in milliseconds, less
 * those in which this machine stood still.
 */
export function watchHealth(vm: AgentVm): () => Promise<number[]> {
  const stopping = new AbortController();
  const watching = (async (): Promise<number[]> => {
    const tookMs: number[] = [];
    while (!stopping.signal.aborted) {
      using asked = new Stopwatch();
      await vm.link.health(vm.agent);
      tookMs.push(Math.round(asked.elapsedMs));
      await new Promise((resolve) => setTimeout(resolve, askEveryMs));
    }
    return tookMs;
  })();
  watching.catch(() => undefined); // Thrown where it is awaited.
  return () => {
    stopping.abort();
    return watching;
  };
}

/** That the agent answered all the while. */
export function assertAnswered(tookMs: readonly number[]): void {
  // Of two answers it is the quicker one: an attack that is over soon has seen no more.
  const usualMs = tookMs.toSorted((a, b) => a - b)[Math.floor((tookMs.length - 1) / 2)];
  assert.ok(usualMs !== undefined && usualMs < usualHealthMs, `the agent took ${tookMs.join(', ')} ms to answer`);
}
