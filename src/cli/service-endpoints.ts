import { TidepoolError } from '../domain/errors.ts';
import type { EndpointView } from '../protocol/services.ts';
import { harmless } from './harmless.ts';
import { type EndpointEvent, ServiceFeed, type ServiceFeedOptions } from './load/service.ts';
import type { ServiceClient } from './service-client.ts';
import { formatTable } from './table.ts';

export interface EndpointOptions {
  readonly watch?: boolean;
  /** Lines as the console of `tidepool load` takes them. */
  readonly commands?: boolean;
  readonly json?: boolean;
}

/** `tidepool service endpoints`: those of this moment. */
export async function endpointList(client: ServiceClient, name: string, options: EndpointOptions): Promise<string> {
  const endpoints = await client.endpoints(name);
  if (options.json) return JSON.stringify(endpoints, null, 2);
  if (options.commands) return endpoints.map((one) => commandLine('+', one)).join('\n');
  if (endpoints.length === 0) return 'no endpoints';
  return formatTable([['VM', 'HOST', 'PORT'], ...endpoints.map(({ vm, host, port }) => [vm, host, String(port)])]);
}

/**
 * `tidepool service endpoints --watch`: what changes, until the signal fires or the service is gone.
 * @param print takes a line
 * @param troubled told when the connection to the server was lost, or (null) is back
 * Errors: `not_found` when there is no such service.
 */
export async function watchEndpoints(
  feed: ServiceFeedOptions,
  options: EndpointOptions,
  print: (line: string) => void,
  troubled: (problem: string | null) => void,
): Promise<void> {
  const format = options.commands ? asCommands : options.json ? asJson : asText;
  let known: readonly EndpointView[] = [];
  const happened = (event: EndpointEvent): void => {
    // A connection that was lost begins anew with all that there are: only what differs is news.
    const after = endpointsAfter(known, event);
    for (const line of changes(known, after, event).flatMap((change) => format(change) ?? [])) print(line);
    known = after;
  };
  const following = new ServiceFeed(feed);
  await following.facts();
  await following.follow({ happened, troubled });
}

/** One thing that a follower is told. */
type Change =
  | { readonly event: 'added'; readonly endpoint: EndpointView }
  | { readonly event: 'removed'; readonly endpoint: EndpointView; readonly reason: string }
  | { readonly event: 'launching'; readonly vm: string }
  | { readonly event: 'failed'; readonly vm: string; readonly reason: string };

function endpointsAfter(known: readonly EndpointView[], { name, data }: EndpointEvent): readonly EndpointView[] {
  if (name === 'endpoints') return data;
  if (name === 'added') return [...known.filter((one) => !isSame(one, data)), data];
  return name === 'removed' ? known.filter((one) => !isSame(one, data)) : known;
}

function changes(
  before: readonly EndpointView[],
  after: readonly EndpointView[],
  { name, data }: EndpointEvent,
): Change[] {
  if (name === 'launching') return [{ event: name, vm: data.vm }];
  if (name === 'failed') return [{ event: name, vm: data.vm, reason: data.reason }];
  const reason = name === 'removed' ? data.reason : 'it went while there was no connection to the server';
  const isNew = (all: readonly EndpointView[]) => (one: EndpointView) => !all.some((other) => isSame(one, other));
  return [
    ...after.filter(isNew(before)).map((endpoint): Change => ({ event: 'added', endpoint })),
    ...before.filter(isNew(after)).map((endpoint): Change => ({ event: 'removed', endpoint, reason })),
  ];
}

function isSame(a: EndpointView, b: EndpointView): boolean {
  return a.vm === b.vm && a.host === b.host && a.port === b.port;
}

function asCommands(change: Change): string | undefined {
  if (change.event === 'added') return commandLine('+', change.endpoint);
  return change.event === 'removed' ? commandLine('-', change.endpoint) : undefined;
}

function commandLine(sign: '+' | '-', { host, port }: EndpointView): string {
  // It is read by another program as a command: a host that is no address must not become one of another kind.
  if (!/^[A-Za-z0-9.:_-]+$/.test(host))
    throw new TidepoolError('upstream', 'the server sent an endpoint without an address');
  return `${sign} ${host} ${port}`;
}

function asJson(change: Change): string {
  if (change.event === 'launching' || change.event === 'failed') return JSON.stringify(change);
  const { endpoint, ...rest } = change;
  return JSON.stringify({ ...rest, ...endpoint });
}

function asText(change: Change): string {
  if (change.event === 'launching') return `launching ${change.vm}`;
  if (change.event === 'failed') return `failed ${change.vm}: ${harmless(change.reason)}`;
  const { vm, host, port } = change.endpoint;
  const place = `${vm} ${host}:${port}`;
  return change.event === 'added' ? `added ${place}` : `removed ${place}: ${harmless(change.reason)}`;
}
