import { TidepoolError } from '../domain/errors.ts';
import type { DecisionView, PoolView } from '../protocol/api.ts';
import type { ApiClient } from './client.ts';
import { formatTable } from './table.ts';
import { wholeNumber } from './units.ts';

interface Format {
  readonly json?: boolean;
}

/** `tidepool pool list`. */
export async function poolList(client: ApiClient, format: Format): Promise<string> {
  const { pools } = await client.pools();
  if (format.json) return JSON.stringify(pools, null, 2);
  const heading = [
    'POOL',
    'FLAVOR',
    'MIN',
    'MAX',
    'DESIRED',
    'READY',
    'WARM',
    'BOOTING',
    'DRAINING',
    'FAILED',
    'AUTOSCALER',
  ];
  const rows = pools.map(({ name, flavor, settings, counts, paused }) => [
    ...[name, flavor, settings.min, settings.max, counts.desired, counts.ready, counts.warm].map(String),
    ...[counts.booting, counts.draining, counts.failed].map(String),
    steering(settings.policies, paused),
  ]);
  return formatTable([heading, ...rows]);
}

/** `tidepool pool show`. */
export async function poolShow(client: ApiClient, name: string, format: Format): Promise<string> {
  return formatPool(await client.pool(name), format);
}

/** `tidepool pool scale`. */
export async function poolScale(client: ApiClient, name: string, desired: string, format: Format): Promise<string> {
  return formatPool(await client.scalePool(name, wholeNumber('the number of VMs', desired)), format);
}

export interface PoolChanges extends Format {
  readonly min?: string;
  readonly max?: string;
  readonly warm?: string;
  readonly policy?: readonly string[];
  readonly noPolicy?: boolean;
}

/** `tidepool pool set`. */
export async function poolSet(client: ApiClient, name: string, options: PoolChanges): Promise<string> {
  const { min, max, warm, policy, noPolicy } = options;
  const changes = {
    ...(min === undefined ? {} : { min: wholeNumber('--min', min) }),
    ...(max === undefined ? {} : { max: wholeNumber('--max', max) }),
    ...(warm === undefined ? {} : { warm: wholeNumber('--warm', warm) }),
    ...(noPolicy ? { policies: [] } : policy === undefined || policy.length === 0 ? {} : { policies: policy }),
  };
  if (Object.keys(changes).length === 0) {
    throw new TidepoolError('invalid', 'nothing to set: give --min, --max, --warm, --policy or --no-policies');
  }
  return formatPool(await client.changePool(name, changes), options);
}

/** `tidepool pool pause` and `resume`. */
export async function poolPause(
  client: ApiClient,
  name: string,
  verb: 'pause' | 'resume',
  format: Format,
): Promise<string> {
  return formatPool(await client.pausePool(name, verb), format);
}

/** `tidepool plan`: what would be done now, and why. */
export async function planShow(client: ApiClient, names: readonly string[], format: Format): Promise<string> {
  const pools = names.length > 0 ? names : (await client.pools()).pools.map((pool) => pool.name);
  const decisions = await Promise.all(pools.map((name) => client.plan(name)));
  if (format.json) return JSON.stringify(decisions, null, 2);
  return decisions.map(formatDecision).join('\n\n');
}

function formatPool(pool: PoolView, format: Format): string {
  if (format.json) return JSON.stringify(pool, null, 2);
  const { settings, counts } = pool;
  const rows = [
    ['pool', pool.name],
    ['flavor', pool.flavor],
    ['bounds', `${settings.min} to ${settings.max}, ${settings.warm} warm`],
    ['autoscaler', steering(settings.policies, pool.paused)],
    ...Object.entries(counts).map(([state, count]) => [state, String(count)]),
    ...(pool.waitsFor === null ? [] : [['launches wait', pool.waitsFor]]),
  ];
  return formatTable(rows) + (pool.decision === null ? '' : `\n\n${formatDecision(pool.decision)}`);
}

function formatDecision({ pool, action, from, desired, recommendations, limits }: DecisionView): string {
  const what = {
    none: `stays at ${from}`,
    out: `grows from ${from} to ${desired}`,
    in: `shrinks from ${from} to ${desired}`,
  };
  const lines = recommendations.map((one) => `  ${one.policy} wants ${one.desired}: ${one.reason.text}`);
  const bounds = limits.map((one) => `  ${one.code}: ${one.text}`);
  return [`${pool} ${what[action]}`, ...lines, ...bounds].join('\n');
}

function steering(policies: readonly string[], paused: boolean): string {
  if (policies.length === 0) return 'none (by hand)';
  return `${policies.join(', ')}${paused ? ' (paused)' : ''}`;
}
