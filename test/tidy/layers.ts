/** What a folder of src may import beside itself and Node's own modules. */
export interface Layer {
  /** Folders, or single files as `domain/errors.ts`. */
  readonly imports: readonly string[];
  /** npm packages. */
  readonly packages: readonly string[];
}

/**
 * `reconcile` has no decisions of the core, but what all that waits and tries again has in common; `files` is how files are
 * written that must be whole; `processes`
 * reads the table of processes.
 */
const adapter = ['domain', 'files', 'processes', 'protocol', 'reconcile'];

/**
 * The architecture (docs/ARCHITECTURE.md) as a table: cmd -> adapters and http -> core -> domain -> protocol. Adapters
 * never import each other.
 */
export const layers: Readonly<Record<string, Layer>> = {
  protocol: { imports: [], packages: ['zod'] },
  domain: { imports: ['protocol'], packages: [] },
  files: { imports: ['domain'], packages: [] },
  processes: { imports: [], packages: [] },

  reconcile: { imports: ['domain', 'protocol'], packages: [] },
  accounts: { imports: ['domain', 'protocol', 'reconcile'], packages: [] },
  metrics: { imports: ['domain', 'protocol', 'reconcile'], packages: [] },
  jobs: { imports: ['domain', 'protocol', 'reconcile', 'storage'], packages: [] },
  joined: { imports: ['domain', 'protocol', 'reconcile'], packages: [] },
  pool: { imports: ['domain', 'protocol', 'reconcile'], packages: [] },
  services: { imports: ['domain', 'protocol', 'reconcile'], packages: [] },
  loads: { imports: ['domain/errors.ts', 'loadgen', 'protocol'], packages: [] },
  storage: { imports: ['domain'], packages: [] },
  backup: { imports: ['domain', 'files'], packages: [] },
  autoscaler: { imports: ['domain', 'metrics', 'protocol', 'reconcile'], packages: ['croner', 'zod'] },
  // Its host is the fake one: that is what it is there for.
  simulator: { imports: ['autoscaler', 'domain', 'fake', 'pool', 'protocol', 'reconcile'], packages: [] },

  agentlink: { imports: adapter, packages: ['zod'] },
  archive: { imports: adapter, packages: ['yauzl', 'yazl'] },
  blobs: { imports: adapter, packages: [] },
  clock: { imports: adapter, packages: [] },
  fake: { imports: adapter, packages: [] },
  haproxy: { imports: adapter, packages: [] },
  image: { imports: adapter, packages: ['rolldown', 'tar', 'zod'] },
  libvirt: { imports: adapter, packages: ['fast-xml-parser'] },
  loadgen: { imports: ['protocol', 'domain/errors.ts'], packages: [] },
  passwords: { imports: adapter, packages: [] },
  report: { imports: ['protocol', 'domain/errors.ts'], packages: ['echarts'] },
  setup: { imports: adapter, packages: [] },
  site: { imports: adapter, packages: ['rolldown'] },
  sqlite: { imports: adapter, packages: ['kysely'] },
  config: { imports: adapter, packages: ['zod'] },

  http: {
    imports: [
      'accounts',
      'autoscaler',
      'domain',
      'files/system-fault.ts',
      'protocol',
      'jobs',
      'loads',
      'joined',
      'metrics',
      'pool',
      'reconcile',
      'services',
      'storage',
    ],
    packages: [
      'fastify',
      '@fastify/multipart',
      '@fastify/swagger',
      '@fastify/swagger-ui',
      '@fastify/websocket',
      'prom-client',
      'fastify-type-provider-zod',
      'zod',
    ],
  },

  agent: { imports: ['protocol', 'domain/errors.ts'], packages: [] },
  // The agent on a machine that is no VM; it dials, which the agent itself never does.
  worker: { imports: ['agent', 'files', 'protocol', 'domain/disk.ts', 'domain/errors.ts'], packages: [] },
  cli: {
    imports: ['loadgen', 'protocol', 'domain/errors.ts', 'domain/file-trouble.ts'],
    packages: ['eventsource-parser', 'yazl', 'zod'],
  },

  web: {
    imports: ['protocol'],
    packages: [
      ...['react', 'react-dom', '@base-ui/react', 'wouter', '@tanstack/react-query', 'openapi-fetch'],
      ...['@codemirror/commands', '@codemirror/lang-python', '@codemirror/language', '@codemirror/lint'],
      ...['@codemirror/state', '@codemirror/view', '@lezer/highlight', 'echarts', 'eventsource-parser'],
    ],
  },

  demo: { imports: ['cli', 'protocol', 'domain/errors.ts'], packages: [] },

  cmd: {
    imports: [
      ...[
        'accounts',
        'agent',
        'agentlink',
        'archive',
        'autoscaler',
        'backup',
        'blobs',
        'cli',
        'clock',
        'config',
        'demo',
        'domain',
        'files',
        'haproxy',
        'http',
        'image',
        'jobs',
        'joined',
        'libvirt',
        'loads',
      ],
      ...['metrics', 'passwords', 'pool', 'processes', 'protocol', 'reconcile', 'report'],
      ...['services', 'setup', 'simulator', 'site', 'sqlite', 'storage', 'worker'],
    ],
    packages: ['commander', 'fastify'],
  },
};

/** What unit tests beside the code may import as well. */
export const testLayer: Layer = { imports: ['clock', 'fake'], packages: ['fast-check', 'yazl'] };
