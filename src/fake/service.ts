import type { Revision, Service } from '../domain/service.ts';

/** A running HTTP service for tests; every field may be given. */
export function runningService(fields: Partial<Service> = {}): Service {
  return {
    name: 'fib',
    owner: 'admin',
    protocol: 'http',
    flavor: 'small',
    settings: { min: 1, max: 4, warm: 0, paused: false, policies: [] },
    port: 8_100,
    isRunning: true,
    current: null,
    isLeaving: false,
    createdAtMs: 1_000,
    ...fields,
  };
}

/** A revision that is being rolled out, of a handler in `app.py`; every field may be given. */
export function rollingRevision(fields: Partial<Revision> = {}): Revision {
  return {
    service: 'fib',
    number: 1,
    state: 'rolling',
    message: '',
    traceback: '',
    createdAtMs: 1_000,
    spec: {
      runtime: 'python',
      entry: { kind: 'handler', file: 'app.py' },
      files: [{ name: 'app.py', blob: 'a'.repeat(64) }],
      environment: {},
      processes: null,
      requestTimeoutMs: 30_000,
      maxBodyBytes: 1024 ** 2,
    },
    ...fields,
  };
}
