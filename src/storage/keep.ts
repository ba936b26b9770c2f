import { onceForMs } from '../domain/once.ts';
import { apart } from './apart.ts';
import type { StorageContext } from './context.ts';
import { applyRetention } from './retention.ts';
import { sweepStorage } from './sweep.ts';

/** What is done now and then about all that is kept. Each part may be cut short or fail, and is done again. */
export async function keepStorage(context: StorageContext): Promise<void> {
  await apart(context, 'retention', () => applyRetention(context));
  await apart(context, 'sweep of blobs and logs', () => sweepStorage(context));
  await apart(context, 'forgetting old keys', () => context.store.once.purge(context.clock.now() - onceForMs));
  await apart(context, 'shrinking the database', () => context.store.compact());
}
