import type { CloudEvent } from '../domain/event.ts';
import type { ServiceEndpoint } from '../domain/service.ts';
import { endpointChanges, removalReason } from '../services/endpoints.ts';
import type { ServedServices } from './service-views.ts';
import { quietWait, sse } from './sse.ts';

const batch = 200;

/**
 * A service's endpoints as server-sent events (protocol/services.ts), until the service is gone. First all that there are,
 * then what changes. Each one's SSE id is the event of the cloud after which to go on.
 * @param afterId only launches and failures after this event are told of
 */
export async function* followEndpoints(
  { context, controller }: ServedServices,
  service: string,
  afterId: number,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const { store, changes, clock } = context;
  const subscription = changes.subscribe('events');
  let known = controller.endpoints(service);
  let lastId = afterId;
  try {
    yield message('endpoints', known, lastId);
    while (!signal.aborted) {
      const events = await store.events.after(lastId, batch);
      for (const event of events) {
        lastId = event.id;
        const told = event.pool === service ? vmMessage(event) : undefined;
        if (told !== undefined) yield told;
      }
      const now = controller.endpoints(service);
      for (const text of await changeMessages(store, known, now, lastId)) yield text;
      known = now;
      if (events.length === batch) continue;
      if ((await store.services.get(service)) === undefined) return;
      const filler = await quietWait(clock, subscription, signal);
      if (filler !== '') yield filler;
    }
  } finally {
    subscription.close();
  }
}

async function changeMessages(
  store: ServedServices['context']['store'],
  before: readonly ServiceEndpoint[],
  after: readonly ServiceEndpoint[],
  id: number,
): Promise<string[]> {
  const { added, removed } = endpointChanges(before, after);
  const messages = added.map((endpoint) => message('added', endpoint, id));
  for (const endpoint of removed) {
    const reason = removalReason(await store.vms.get(endpoint.vm));
    messages.push(message('removed', { ...endpoint, reason }, id));
  }
  return messages;
}

function vmMessage({ id, name, vm, text, data }: CloudEvent): string | undefined {
  if (name === 'vm.launching') return message('launching', { vm }, id);
  if (name === 'vm.failed') return message('failed', { vm, reason: String(data.reason ?? text) }, id);
  return undefined;
}

function message(name: string, data: unknown, id: number): string {
  return sse(name, JSON.stringify(data), String(id));
}
