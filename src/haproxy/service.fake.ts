import type { BalancedServer, BalancedService } from '../domain/balancer.ts';

/** A service with two servers, of which the second drains. */
export function sampleService(fields: Partial<BalancedService> = {}): BalancedService {
  return {
    name: 'web-1',
    protocol: 'http',
    host: '127.0.0.1',
    port: 8080,
    healthPath: '/health?x=1',
    maxBodyBytes: 1_000,
    requestTimeoutMs: 30_000,
    maxPerServer: 16,
    servers: [sampleServer({ name: 'a', port: 9001 }), sampleServer({ name: 'b', port: 9002, state: 'draining' })],
    ...fields,
  };
}

/** One that serves. */
export function sampleServer(fields: Partial<BalancedServer> = {}): BalancedServer {
  return { name: 'a', host: '127.0.0.1', port: 9001, state: 'serving', ...fields };
}
