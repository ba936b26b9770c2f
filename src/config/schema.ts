import { z } from 'zod';
import { defaultReserve } from '../domain/disk.ts';
import { defaultFlavors } from '../domain/flavor.ts';
import { joinedPool } from '../domain/worker.ts';
import { jobsSchema } from './jobs-schema.ts';
import { servicesSchema } from './services-schema.ts';

const flavorSchema = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, 'lower-case letters, digits and dashes'),
  vcpus: z.int().min(1).max(64),
  memoryMiB: z
    .int()
    .min(512)
    .max(1024 * 1024),
  diskGiB: z.int().min(2).max(1024),
});

const poolSchema = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, 'lower-case letters, digits and dashes'),
  /** VMs are named `<prefix>-0000`; the pool's name unless given. */
  prefix: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,30}$/, 'lower-case letters, digits and dashes')
    .optional(),
  flavor: z.string().default('small'),
  /** Bounds of the number of VMs in service. */
  min: z.int().min(0).max(1000).default(1),
  max: z.int().min(0).max(1000).default(1),
  /** VMs kept booted and paused beside them. */
  warm: z.int().min(0).max(100).default(0),
  /** Autoscaling policies by name; none: the size is set by hand. */
  policies: z.array(z.string()).max(16).default([]),
  /** VMs on their way up at one time. */
  maxParallelLaunches: z.int().min(1).max(100).default(2),
  /** A VM is not taken out of service before it has served this long. */
  minLifetimeMs: z.int().min(0).default(0),
});

const networkSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('user') }),
  z.strictObject({ kind: z.literal('network'), name: z.string().min(1) }),
  z.strictObject({ kind: z.literal('bridge'), name: z.string().min(1) }),
]);

/** What of the host is never given to VMs; below it no VM is launched. */
const roomSchema = z.strictObject({
  memoryReserveMiB: z
    .int()
    .min(0)
    .max(16 * 1024 * 1024)
    .default(512),
  /** Free space where VMs have their disks; 2 GiB, or 5 % of the file system if that is more, unless given; at most a quarter of it. */
  diskReserveMiB: z
    .int()
    .min(0)
    .max(1024 * 1024 * 1024)
    .optional(),
});

const hourMs = 3_600_000;

const accountsSchema = z.strictObject({
  /** Whether anybody who reaches the server may make an account. */
  signUp: z.boolean().default(false),
  maxAccounts: z.int().min(1).max(10_000_000).default(100_000),
  /** A session ends when it was not used for this long, and in any case after sessionMaxMs. */
  sessionIdleMs: z
    .int()
    .min(hourMs / 6)
    .max(366 * 24 * hourMs)
    .default(24 * hourMs),
  sessionMaxMs: z
    .int()
    .min(hourMs / 6)
    .max(366 * 24 * hourMs)
    .default(14 * 24 * hourMs),
});

/** A name or address without port, as browsers send it. */
const hostName = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i, 'a host name without port');
const network = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]);

/** Room of the disk with the data folder that is kept for the database and for what runs: the larger of both. */
const storageSchema = z.strictObject({
  reserveBytes: z
    .int()
    .min(0)
    .max(2 ** 50)
    .default(defaultReserve.minBytes),
  reservePercent: z.number().min(0).max(50).default(defaultReserve.percent),
});

/** The configuration file (JSON). Everything has a default. */
export const configSchema = z
  .strictObject({
    host: z.string().default('127.0.0.1'),
    port: z.int().min(0).max(65_535).default(3000),
    /** Names under which browsers may reach the server, beside `host`, this machine's and any address. */
    allowedHosts: z.array(hostName).max(100).default([]),
    /** Proxies in front, whose X-Forwarded-For, -Host and -Proto are believed. */
    trustedProxies: z.array(network).max(100).default([]),
    accounts: accountsSchema.prefault({}),
    /** Whether who has not signed in may submit in a user's name, at POST /upload. */
    legacyUpload: z.boolean().default(false),
    /** `qemu:///system` as root, else `qemu:///session`, unless given. */
    libvirtUri: z.string().optional(),
    accelerator: z.enum(['auto', 'kvm', 'tcg']).default('auto'),
    network: networkSchema.default({ kind: 'user' }),
    flavors: z
      .array(flavorSchema)
      .min(1)
      .default([...defaultFlavors]),
    pools: z
      .array(poolSchema)
      .min(1)
      .prefault([{ name: 'default', prefix: 'tidepool' }]),
    room: roomSchema.prefault({}),
    /** Autoscaling policies beside the presets (docs/autoscaling.md); checked by the autoscaler. */
    policies: z.array(z.unknown()).max(100).default([]),
    jobs: jobsSchema.prefault({}),
    services: servicesSchema.prefault({}),
    storage: storageSchema.prefault({}),
  })
  .superRefine((config, context) => {
    const flavors = new Set(config.flavors.map((flavor) => flavor.name));
    for (const [index, pool] of config.pools.entries()) {
      if (flavors.has(pool.flavor)) continue;
      const message = `there is no flavor ${pool.flavor}; there are: ${[...flavors].join(', ')}`;
      context.addIssue({ code: 'custom', path: ['pools', index, 'flavor'], message });
    }
    for (const [index, pool] of config.pools.entries()) {
      if (pool.min <= pool.max) continue;
      context.addIssue({
        code: 'custom',
        path: ['pools', index, 'min'],
        message: `min ${pool.min} is more than max ${pool.max}`,
      });
    }
    for (const [index, pool] of config.pools.entries()) {
      if (![pool.name, pool.prefix].includes(joinedPool)) continue;
      const message = `${joinedPool} is the pool of workers that join by hand; take another name`;
      context.addIssue({ code: 'custom', path: ['pools', index, 'name'], message });
    }
    const names = config.pools.map((pool) => pool.name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) {
      context.addIssue({ code: 'custom', path: ['pools'], message: `two pools are named ${twice}` });
    }
    // VMs are named after the prefix, and two VMs cannot have one name.
    for (const [index, pool] of config.pools.entries()) {
      const prefix = pool.prefix ?? pool.name;
      const other = config.pools.find((one, at) => at !== index && [one.name, one.prefix].includes(prefix));
      if (other === undefined || other.name === pool.name) continue;
      const message = `the VMs of pool ${pool.name} would be named ${prefix}-0000, like those of pool ${other.name}; give it another prefix`;
      context.addIssue({ code: 'custom', path: ['pools', index, 'prefix'], message });
    }
  });

export type Config = z.output<typeof configSchema>;
