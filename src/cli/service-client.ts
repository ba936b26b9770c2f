import { openAsBlob } from 'node:fs';
import { basename } from 'node:path';
import {
  type DeployedView,
  type DeploymentBody,
  deployedSchema,
  type EndpointView,
  endpointListSchema,
  type ServiceLogView,
  type ServiceView,
  serviceListSchema,
  serviceLogSchema,
  serviceSchema,
} from '../protocol/services.ts';
import type { ApiClient } from './client.ts';

/** Services of the public API. Errors of the server come back as TidepoolError. */
export class ServiceClient {
  readonly #api: ApiClient;

  constructor(api: ApiClient) {
    this.#api = api;
  }

  /** @param files paths on this machine */
  async deploy(spec: DeploymentBody, files: readonly string[]): Promise<DeployedView> {
    const form = new FormData();
    form.set('spec', JSON.stringify(spec));
    for (const file of files) form.append('file', await openAsBlob(file), basename(file));
    return this.#api.json('POST', '/services', deployedSchema, form);
  }

  async list(): Promise<ServiceView[]> {
    return (await this.#api.json('GET', '/services', serviceListSchema)).services;
  }

  async show(name: string): Promise<ServiceView> {
    return this.#api.json('GET', path(name), serviceSchema);
  }

  async change(name: string, verb: 'stop' | 'start' | 'rollback'): Promise<ServiceView> {
    return this.#api.json('POST', path(name, `/${verb}`), serviceSchema);
  }

  async delete(name: string): Promise<ServiceView> {
    return this.#api.json('DELETE', path(name), serviceSchema);
  }

  async endpoints(name: string): Promise<EndpointView[]> {
    return (await this.#api.json('GET', path(name, '/endpoints'), endpointListSchema)).endpoints;
  }

  async logs(name: string, query: { vm?: string; tail: string }): Promise<ServiceLogView['lines']> {
    return (await this.#api.json('GET', path(name, `/logs?${new URLSearchParams(query)}`), serviceLogSchema)).lines;
  }
}

function path(name: string, rest = ''): string {
  return `/services/${encodeURIComponent(name)}${rest}`;
}
