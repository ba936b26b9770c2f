import { TidepoolError } from '../../domain/errors.ts';
import { outputOffsetHeader, storeRelayHeader } from '../../protocol/agent-service.ts';
import type { AgentClock } from '../clock.ts';
import { hold, numberParameter, readUpload, sendEmpty, sendJson } from '../http-io.ts';
import type { Call, Routes } from '../route.ts';
import { parseServiceSpec } from './service-spec.ts';
import type { Services } from './services.ts';
import type { StoreRelay } from './store-relay.ts';

export interface ServiceApi {
  readonly services: Services;
  readonly relay: StoreRelay;
  readonly clock: AgentClock;
}

/** Those of protocol/agent-service.ts. */
export const serviceRoutes: Routes<ServiceApi> = {
  'GET /v1/services': async (api, { response }) => sendJson(response, 200, api.services.reports()),
  'PUT /v1/services/:id': startService,
  'GET /v1/services/:id': async (api, call, id) => {
    const service = api.services.get(id);
    await hold(call, api.clock, (signal) => service.untilStarted(signal));
    sendJson(call.response, 200, service.report);
  },
  'DELETE /v1/services/:id': async (api, { response }, id) => {
    await api.services.remove(id);
    sendEmpty(response);
  },
  'GET /v1/services/:id/output': sendOutput,
  'POST /v1/store': async (api, { request, response }) => {
    response.writeHead(200, {
      'content-type': 'application/json-lines',
      [storeRelayHeader]: api.relay.name,
    });
    response.flushHeaders();
    await api.relay.serve(request, response);
  },
};

async function startService(api: ServiceApi, { request, response }: Call, id: string): Promise<void> {
  const report = await readUpload(request, (line, files) => {
    const spec = parseServiceSpec(line);
    if (spec.id !== id) throw new TidepoolError('invalid', `the service ${spec.id} was sent to the place of ${id}`);
    return api.services.start(spec, files);
  });
  sendJson(response, 202, report);
}

async function sendOutput(api: ServiceApi, { response, query }: Call, id: string): Promise<void> {
  const { offset, bytes } = api.services.get(id).output.read(numberParameter(query, 'offset'));
  response.writeHead(200, { 'content-type': 'application/octet-stream', [outputOffsetHeader]: offset });
  response.end(bytes);
}
