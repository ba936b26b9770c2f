import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../src/clock/system-clock.ts';
import { buildImage } from '../src/image/build-image.ts';
import { bundleAgent } from '../src/image/bundle-agent.ts';
import { temporaryFolder } from '../test/support/server.ts';
import { type Bench, timeMs } from './harness.ts';

const agentMain = fileURLToPath(new URL('../src/agent/main.ts', import.meta.url));
/** There is nothing to compare a build with but the time that a person waits for it. */
const patienceMs = 90_000;

/** Ours: the golden image into an empty cache, once: packages are fetched anew. Baseline: 90 s. */
const image: Bench = {
  name: 'image',
  question: "how long is the image's build with nothing cached?",
  atMost: 1,
  run: async (context) => {
    const folder = await temporaryFolder('bench-image');
    try {
      const tookMs = await timeMs(async () =>
        buildImage({
          cacheDir: join(folder.path, 'cache'),
          nodePath: process.execPath,
          agentBundle: await bundleAgent(agentMain),
          clock: systemClock,
          signal: context.signal,
        }),
      );
      return { ours: [tookMs], baseline: [patienceMs] };
    } finally {
      await folder.remove();
    }
  },
};

export default image;
