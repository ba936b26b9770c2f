import { z } from 'zod';
import { defaultKeyValueLimits } from '../domain/service.ts';

const port = z.int().min(1).max(65_535);

/** `services` of the configuration: where their clients connect. */
export const servicesSchema = z
  .strictObject({
    /** The address that the front door listens on. */
    host: z.string().min(1).default('127.0.0.1'),
    /** Ports that are given to services which ask for none. */
    ports: z.strictObject({ first: port, last: port }).default({ first: 8100, last: 8999 }),
    maxServices: z.int().min(1).max(1_000).default(100),
    /** The most VMs that one service may ask for. */
    maxVms: z.int().min(1).max(1_000).default(100),
    /** How long a request waits for a VM that has room, or for the first VM. */
    maxWaitMs: z.int().min(100).max(600_000).default(30_000),
    /** What the handlers of one service may keep: bytes are those of keys and values. */
    store: z
      .strictObject({
        maxKeys: z.int().min(0).max(1_000_000_000).default(defaultKeyValueLimits.maxKeys),
        maxBytes: z
          .int()
          .min(0)
          .max(1024 ** 4)
          .default(defaultKeyValueLimits.maxBytes),
      })
      .prefault({}),
  })
  .refine(({ ports }) => ports.first <= ports.last, {
    path: ['ports'],
    message: 'the first port is greater than the last',
  });
