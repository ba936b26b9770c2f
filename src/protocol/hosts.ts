import { z } from 'zod';

/** Under /api/v1/hosts: where VMs run. */

export const hostSchema = z.object({
  name: z.string(),
  /** Of its hypervisor: where the server reaches it. */
  uri: z.string(),
  /** `down`: its hypervisor does not answer. */
  state: z.enum(['up', 'down']),
  /** Why it is down; else ''. */
  reason: z.string(),
  accelerator: z.enum(['kvm', 'tcg']),
  /** Null while it is down, as the next three. */
  cpus: z.number().nullable(),
  memoryBytes: z.number().nullable(),
  /** As `QEMU 7.2.22` and `9.0.0`. */
  hypervisor: z.string().nullable(),
  libvirt: z.string().nullable(),
  /** What is given to this server's VMs, paused ones too. */
  vms: z.object({ count: z.number(), vcpus: z.number(), memoryBytes: z.number() }),
});
export type HostView = z.infer<typeof hostSchema>;

export const hostListSchema = z.object({ hosts: z.array(hostSchema) });
