import { z } from 'zod';
import {
  maxStoreKeyBytes,
  maxStoreValueBytes,
  type ServiceReport,
  type StoreRequest,
  servicePorts,
} from '../protocol/agent-service.ts';
import { countOr, measured, text } from './schemas.ts';

// As in schemas.ts: what a guest says is a stranger's word.

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

export const serviceReportSchema: z.ZodType<ServiceReport> = z.object({
  id: z.string().regex(/^[A-Za-z0-9-]{1,64}$/),
  port: z.number().refine((port) => servicePorts.some((one) => one === port)),
  state: z.enum(['starting', 'serving', 'failed']),
  message: text(4_000),
  traceback: text(16 * 1024),
  restarts: countOr(0),
  inFlight: measured,
  requests: measured,
  errors: measured,
});

export const serviceReportsSchema = z.array(serviceReportSchema).max(servicePorts.length);

const key = z.string().refine((text) => text !== '' && Buffer.byteLength(text) <= maxStoreKeyBytes);
const value = z.base64().refine((text) => Buffer.byteLength(text, 'base64') <= maxStoreValueBytes);

export const storeRequestSchema: z.ZodType<StoreRequest> = z.discriminatedUnion('op', [
  z.object({ id: count, op: z.enum(['get', 'delete']), key }),
  z.object({ id: count, op: z.enum(['put', 'add']), key, value }),
]);
