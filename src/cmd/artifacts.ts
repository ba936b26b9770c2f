import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../domain/clock.ts';
import type { Image, Runtime } from '../domain/image.ts';
import { buildImage, imageId } from '../image/build-image.ts';
import { buildRuntime, runtimeId } from '../image/build-runtime.ts';
import { bundleAgent } from '../image/bundle-agent.ts';
import { readHostFacts } from '../image/host.ts';
import { findImage } from '../image/image-store.ts';
import type { BuiltInRuntime } from '../image/runtime-recipe.ts';
import { findRuntime } from '../image/runtime-store.ts';
import { progressDisplay } from './progress.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Artifacts that the next start needs and the cache does not have, with the id of the golden image. Builds nothing. */
export async function missingArtifacts(
  cacheDir: string,
  clock: Clock,
): Promise<{ imageId: string; missing: string[] }> {
  const host = await readHostFacts();
  const agentBundle = await bundleAgent(join(root, 'src/agent/main.ts'));
  const id = await imageId(host, { cacheDir, nodePath: process.execPath, agentBundle, clock });
  const missing: string[] = [];
  if ((await findImage(cacheDir, id)) === undefined) missing.push('golden image');
  if ((await findRuntime(cacheDir, 'python', await runtimeId('python', host))) === undefined)
    missing.push('runtime python');
  return { imageId: id, missing };
}

/** The golden image for this checkout's agent; built, with a progress display, when the cache does not have it. */
export async function ensureImage(cacheDir: string, clock: Clock, signal: AbortSignal): Promise<Image> {
  const agentBundle = await bundleAgent(join(root, 'src/agent/main.ts'));
  const display = progressDisplay('golden image');
  // The Node that we run on is the pinned one (see scripts/), and the guest runs the same.
  const options = { cacheDir, nodePath: process.execPath, agentBundle, clock, signal, progress: display.show };
  return buildImage(options).finally(display.end);
}

/** A built-in runtime; built, with a progress display, when the cache does not have it. */
export async function ensureRuntime(
  name: BuiltInRuntime,
  cacheDir: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<Runtime> {
  const display = progressDisplay(`runtime ${name}`);
  return buildRuntime(name, { cacheDir, clock, signal, progress: display.show }).finally(display.end);
}
