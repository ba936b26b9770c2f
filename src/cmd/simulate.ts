import { readFile, stat } from 'node:fs/promises';
import type { Policy } from '../autoscaler/policy.ts';
import { policiesNamed } from '../autoscaler/presets.ts';
import { parseDuration } from '../cli/units.ts';
import { systemClock } from '../clock/system-clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import { fileTrouble } from '../domain/file-trouble.ts';
import { explain } from '../protocol/decision.ts';
import { toJson, toTable } from '../simulator/report.ts';
import { type RunHooks, Simulation, type SimulationResult } from '../simulator/run.ts';
import { makeScenario, type Scenario, type ScenarioOptions } from '../simulator/scenario.ts';
import { readTrace, type Trace } from '../simulator/trace.ts';

/** Options of `tidepool simulate` as the command line has them. */
export interface SimulateOptions {
  /** A CSV file: a heading, then `time,requests`. */
  readonly trace: string;
  /** Names of presets, each simulated apart; `a+b` puts two on one pool. */
  readonly policy: readonly string[];
  /** Requests a second that one VM serves. */
  readonly vmCapacity?: string;
  /** From launch to ready: `30`, `30s`, `2m`. */
  readonly boot?: string;
  /** p99 that the demand keeps: `100ms`. */
  readonly p99?: string;
  /** Simulated seconds a second; as fast as it can without. Each change of the pool is then told as it happens. */
  readonly speed?: string;
  readonly json?: boolean;
}

const mostTraceBytes = 64 * 1024 ** 2;
const mostPolicies = 32;
/** Paced runs wait at least so long at a time. */
const leastPauseMs = 50;

/** Plays a trace to each policy and gives the table, or JSON. `follow` gets the lines of a paced run. */
export async function simulate(
  options: SimulateOptions,
  follow: (line: string) => void = (line) => process.stderr.write(`${line}\n`),
): Promise<string> {
  if (options.policy.length === 0) throw new TidepoolError('invalid', 'at least one --policy is needed');
  if (options.policy.length > mostPolicies) throw new TidepoolError('invalid', `at most ${mostPolicies} policies`);
  const chosen = options.policy.map((name) => ({ name, policies: policiesNamed(name.split('+')) }));
  const speed = options.speed === undefined ? undefined : parsePositive(options.speed, 'speed');
  const scenario = makeScenario(await loadTrace(options.trace), scenarioOptions(options));
  const results: SimulationResult[] = [];
  for (const { name, policies } of chosen) {
    const hooks = speed === undefined ? {} : paced(speed, (line) => follow(`${name}: ${line}`));
    results.push(await new Simulation(scenario, fitted(policies, scenario)).run(name, hooks));
  }
  return options.json ? toJson(results) : toTable(results);
}

function scenarioOptions({ vmCapacity, boot, p99 }: SimulateOptions): ScenarioOptions {
  return {
    ...(vmCapacity === undefined ? {} : { vmCapacity: parsePositive(vmCapacity, 'vm-capacity') }),
    ...(boot === undefined ? {} : { bootMs: parseDuration(boot) }),
    ...(p99 === undefined ? {} : { p99Ms: parseDuration(p99) }),
  };
}

/** `predict` aims at the p99 that the demand is reckoned with. */
function fitted(policies: readonly Policy[], { p99 }: Scenario): Policy[] {
  return policies.map((policy) => (policy.kind === 'predict' ? { ...policy, p99 } : policy));
}

function paced(speed: number, tell: (line: string) => void): RunHooks {
  let owedMs = 0;
  return {
    onSecond({ nowMs, decision }) {
      if (decision.action !== 'none') tell(`${new Date(nowMs).toISOString()} ${explain(decision)}`);
      owedMs += 1_000 / speed;
      if (owedMs < leastPauseMs) return;
      const pauseMs = owedMs;
      owedMs = 0;
      return systemClock.sleep(pauseMs);
    },
  };
}

async function loadTrace(path: string): Promise<Trace> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > mostTraceBytes) {
      throw new TidepoolError('too_large', `the trace ${path} has ${size} bytes; at most ${mostTraceBytes}`);
    }
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof TidepoolError) throw cause;
    throw new TidepoolError('invalid', `the trace ${path} cannot be read: ${fileTrouble(cause)}`, { cause });
  }
  return readTrace(text, path);
}

function parsePositive(text: string, what: string): number {
  const value = /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (value > 0 && Number.isFinite(value)) return value;
  throw new TidepoolError('invalid', `--${what} must be a number above 0, not ${JSON.stringify(text)}`);
}
