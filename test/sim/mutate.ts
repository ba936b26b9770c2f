import { registerHooks } from 'node:module';
import type { Mutation } from './mutations.ts';

/** Loaded before a program (`--import`): puts the bug of `TIDEPOOL_MUTATION` into the file that it names. */
const { file, from, to }: Mutation = JSON.parse(process.env.TIDEPOOL_MUTATION ?? '{}');

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.endsWith(`/${file}`)) return loaded;
    return { ...loaded, source: String(loaded.source).replace(from, () => to) };
  },
});
