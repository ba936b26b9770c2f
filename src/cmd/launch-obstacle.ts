import type { Clock } from '../domain/clock.ts';
import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import type { Hypervisor, MachineNetwork } from '../domain/hypervisor.ts';
import type { Image } from '../domain/image.ts';
import { findImage } from '../image/image-store.ts';
import type { Refusal } from '../pool/admission.ts';
import { Backoff } from '../reconcile/backoff.ts';

/** Where the things are that every VM needs. */
export interface ObstacleParts {
  readonly hypervisor: Pick<Hypervisor, 'networkTrouble'>;
  readonly network: MachineNetwork;
  readonly cacheDir: string;
  readonly image: Pick<Image, 'id'>;
  readonly clock: Clock;
  /** Builds the golden image of this checkout if it is not there whole. */
  rebuild(): Promise<Pick<Image, 'id'>>;
  log(message: string): void;
}

/**
 * Looks for what keeps every VM from being launched: a network that does not exist, a golden image that was damaged or removed. The
 * image is built again in the background, with pauses after failures. VMs that run go on.
 */
export function launchObstacle(parts: ObstacleParts): () => Promise<Refusal | undefined> {
  const { hypervisor, network, cacheDir, image, clock, log } = parts;
  const backoff = new Backoff('building the golden image again');
  let isBuilding = false;
  let problem = '';

  const rebuild = async (): Promise<void> => {
    isBuilding = true;
    log(`the golden image ${image.id} in the cache is damaged or gone; building it again`);
    try {
      const built = await parts.rebuild();
      if (built.id !== image.id)
        throw new TidepoolError(
          'conflict',
          'this checkout has changed since the server started; start the server again',
        );
      backoff.succeeded();
      problem = '';
    } catch (error) {
      backoff.failed(clock.uptimeMs());
      problem = `; building it failed: ${toTidepoolError(error).message}`;
      log(`the golden image ${image.id} could not be built again: ${toTidepoolError(error).message}`);
    } finally {
      isBuilding = false;
    }
  };

  return async () => {
    const trouble = await hypervisor.networkTrouble(network);
    if (trouble !== undefined) return { lacks: 'network', text: trouble };
    if ((await findImage(cacheDir, image.id)) !== undefined) return undefined;
    if (!isBuilding && backoff.mayTry(clock.uptimeMs())) void rebuild();
    const text = `the golden image ${image.id} in the cache ${cacheDir} is damaged or gone and is being built again${problem}`;
    return { lacks: 'image', text };
  };
}
