import { onceForMs } from '../domain/once.ts';
import type { StorageContext } from './context.ts';
import { applyRetention } from './retention.ts';
import { sweepStorage } from './sweep.ts';

/** What is done now and then about all that is kept. Each part may be cut short and is done again. */
export async function keepStorage(context: StorageContext): Promise<void> {
  await applyRetention(context);
  await sweepStorage(context);
  await context.store.once.purge(context.clock.now() - onceForMs);
}
