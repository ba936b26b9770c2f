import { TidepoolError } from '../domain/errors.ts';
import type { PoolSettings } from '../domain/pool.ts';
import type { Revision, RevisionSpec, Service, ServiceProtocol } from '../domain/service.ts';
import { checkName, checkPort, checkSettings, checkSpec } from './check.ts';
import { emit, type ServiceContext } from './context.ts';

/** A deployment as it comes in; its files are in the BlobStore already. What is not given stays, or gets its default. */
export interface Deployment {
  readonly name: string;
  readonly owner: string;
  readonly protocol?: ServiceProtocol | undefined;
  readonly flavor?: string | undefined;
  readonly port?: number | undefined;
  readonly settings: Partial<PoolSettings>;
  readonly spec: RevisionSpec;
}

/** One VM, until somebody wants more. */
const defaultSettings: PoolSettings = { min: 1, max: 1, warm: 0, paused: false, policies: [] };

/**
 * Makes or changes a service: its newest revision is to be rolled out. A service that was stopped runs again.
 * Errors: `invalid` (anything unknown or out of range), `conflict` (the name or port is somebody else's, the protocol is
 * another, two deployed at once), `exhausted` (too many services).
 */
export async function deployService(
  context: ServiceContext,
  deployment: Deployment,
): Promise<{ service: Service; revision: Revision }> {
  checkName(deployment.name);
  checkSpec(deployment.spec);
  await checkKnown(context, deployment);
  // Two at once would choose the same port.
  return context.deployments.run(() => deployChecked(context, deployment));
}

async function deployChecked(
  context: ServiceContext,
  deployment: Deployment,
): Promise<{ service: Service; revision: Revision }> {
  const known = await context.store.services.get(deployment.name);
  if (known !== undefined && known.owner !== deployment.owner)
    throw new TidepoolError(
      'conflict',
      `the name ${known.name} is taken by another's service; choose another by --name`,
    );
  const service = await (known === undefined ? create(context, deployment) : update(context, known, deployment));
  const revision = await addRevision(context, service.name, deployment.spec);
  const isMoved = known !== undefined && known.port !== service.port;
  const moved = isMoved ? `; its address moves from port ${known.port} to port ${service.port}` : '';
  const text = `revision ${revision.number} is deployed${moved}`;
  await emit(context, 'service.deployed', service.name, text, { revision: revision.number });
  return { service, revision };
}

/**
 * Deploys again what was deployed before: what serves, when a newer revision is being rolled out; else what served before.
 * Errors: `conflict` when there is none.
 */
export async function rollBack(
  context: ServiceContext,
  service: Service,
): Promise<{ service: Service; revision: Revision }> {
  // What serves now is looked up in the turn: another deployment may come up or fail before it.
  return context.deployments.run(async () => {
    const deployment = await earlier(context, service);
    await checkKnown(context, deployment);
    return deployChecked(context, deployment);
  });
}

async function earlier(context: ServiceContext, service: Service): Promise<Deployment> {
  const revisions = await context.store.services.revisions(service.name);
  const isRolling = revisions.some((one) => one.state === 'rolling');
  const state = isRolling ? 'current' : 'superseded';
  const before = revisions.find((one) => one.state === state);
  if (before === undefined)
    throw new TidepoolError('conflict', `there is no earlier revision of ${service.name} that has served`);
  return { name: service.name, owner: service.owner, settings: {}, spec: before.spec };
}

async function checkKnown({ runtimes, rules }: ServiceContext, { spec, flavor, settings }: Deployment): Promise<void> {
  const names = await runtimes.names();
  if (!names.includes(spec.runtime)) {
    const there = names.join(', ');
    throw new TidepoolError('invalid', `there is no runtime ${JSON.stringify(spec.runtime)}; there are: ${there}`);
  }
  if (flavor !== undefined && !rules.flavors.some((one) => one.name === flavor)) {
    const there = rules.flavors.map((one) => one.name).join(', ');
    throw new TidepoolError('invalid', `there is no flavor ${JSON.stringify(flavor)}; there are: ${there}`);
  }
  rules.checkPolicies(settings.policies ?? []);
}

async function create(context: ServiceContext, deployment: Deployment): Promise<Service> {
  const { store, rules, pools, clock } = context;
  const { name, protocol = 'http' } = deployment;
  if (pools.isConfigured(name))
    throw new TidepoolError('conflict', `${name} is the name of a pool of the configuration; choose another by --name`);
  checkPort(deployment.port, protocol);
  const services = await store.services.list();
  if (services.length >= rules.maxServices)
    throw new TidepoolError('exhausted', `there are ${services.length} services, as many as there may be; delete one`);
  const settings = withDefaults(deployment.settings);
  checkSettings(settings, context.rules.maxVms);
  const service: Service = {
    name,
    owner: deployment.owner,
    protocol,
    flavor: deployment.flavor ?? rules.flavors[0]?.name ?? '',
    settings,
    port: protocol === 'udp' ? null : await choosePort(context, deployment.port, services),
    isRunning: true,
    current: null,
    isLeaving: false,
    createdAtMs: clock.now(),
  };
  await store.services.insert(service);
  // What a former service of this name was set to is not for this one.
  await store.pools.put({ name, desired: settings.min, overrides: {} });
  return service;
}

async function update(context: ServiceContext, known: Service, deployment: Deployment): Promise<Service> {
  const { store, pools } = context;
  const { name, protocol = known.protocol, flavor = known.flavor, port } = deployment;
  if (known.isLeaving)
    throw new TidepoolError('conflict', `service ${name} is being deleted; try again when it is gone`);
  if (protocol !== known.protocol)
    throw new TidepoolError(
      'conflict',
      `service ${name} speaks ${known.protocol}; that cannot change, so delete it first`,
    );
  checkPort(port, protocol);
  const isOpen = pools.settings(name) !== undefined;
  if (flavor !== known.flavor && isOpen)
    throw new TidepoolError(
      'conflict',
      `the VMs of ${name} have the flavor ${known.flavor}; stop it first to change that`,
    );
  const state = await store.pools.get(name);
  const settings = { ...known.settings, ...state?.overrides, ...given(deployment.settings) };
  checkSettings(settings, context.rules.maxVms);
  const others = (await store.services.list()).filter((one) => one.name !== name);
  const isMoved = port !== undefined && port !== known.port;
  const changes = {
    ...{ flavor, settings, isRunning: true },
    ...(isMoved ? { port: await choosePort(context, port, others) } : {}),
  };
  await store.services.change(name, changes);
  if (isOpen) {
    const asked = given(deployment.settings);
    if (Object.keys(asked).length > 0) await pools.change(name, asked);
  } else await store.pools.put({ name, desired: state?.desired ?? settings.min, overrides: {} });
  return { ...known, ...changes };
}

function withDefaults(settings: Partial<PoolSettings>): PoolSettings {
  const min = settings.min ?? defaultSettings.min;
  return { ...defaultSettings, max: Math.max(min, defaultSettings.max), ...given(settings) };
}

function given(settings: Partial<PoolSettings>): Partial<PoolSettings> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

async function choosePort(
  { rules }: ServiceContext,
  asked: number | undefined,
  others: readonly Service[],
): Promise<number> {
  const owner = (port: number): Service | undefined => others.find((one) => one.port === port);
  if (asked !== undefined) {
    const holder = owner(asked);
    if (holder !== undefined)
      throw new TidepoolError(
        'conflict',
        `port ${asked} is taken by the service ${holder.name}; choose another by --port`,
      );
    if (!(await rules.isPortFree(asked)))
      throw new TidepoolError('conflict', `port ${asked} is taken by another program; choose another by --port`);
    return asked;
  }
  const { first, last } = rules.ports;
  for (let port = first; port <= last; port += 1) {
    if (owner(port) === undefined && (await rules.isPortFree(port))) return port;
  }
  throw new TidepoolError('exhausted', `no port from ${first} to ${last} is free; choose another by --port`);
}

async function addRevision({ store, clock }: ServiceContext, service: string, spec: RevisionSpec): Promise<Revision> {
  const [newest] = await store.services.revisions(service);
  const number = (newest?.number ?? 0) + 1;
  const state = 'rolling' as const;
  const revision: Revision = { service, number, state, message: '', traceback: '', createdAtMs: clock.now(), spec };
  await store.services.insertRevision(revision);
  return revision;
}
