import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Runtime, RuntimeBuild } from '../../src/domain/image.ts';
import { type RuntimeView, runtimeListSchema } from '../../src/protocol/runtimes.ts';
import { openTestWeb } from '../accounts/server.ts';
import { openTestAccounts, sessionOf } from '../accounts/support.ts';

const built: Runtime = {
  ...{ name: 'python', id: 'p-1', path: '/cache/p-1', sizeBytes: 9_000_000, createdAtMs: 5_000, image: null },
};
let builds: readonly RuntimeBuild[] = [];
const web = await openTestWeb(await openTestAccounts(), { runtimeBuilds: () => builds });
after(() => web[Symbol.asyncDispose]());
const cookie = `tidepool_session=${await sessionOf(web.accounts, 'admin')}`;
Object.assign(web.context.jobs.runtimes, { list: async () => [built], names: async () => ['ml', 'python'] });

async function runtimes(): Promise<Record<string, RuntimeView>> {
  const response = await fetch(`${web.url}/api/v1/runtimes`, { headers: { cookie } });
  const { runtimes: all, image } = runtimeListSchema.parse(await response.json());
  assert.equal(image.id, 'image-1');
  return Object.fromEntries(all.map((one) => [one.name, one]));
}

test('runtimes are listed with how far their builds are; requirements of others are not', async () => {
  const { python, ml } = await runtimes();
  assert.deepEqual([python?.state, python?.sizeBytes, python?.isImage], ['built', 9_000_000, false]);
  assert.deepEqual([ml?.state, ml?.sizeBytes, ml?.text], ['missing', null, '']);
  builds = [
    { name: 'ml', text: '40 %, wheels', hasFailed: false },
    { name: 'py-0123456789abcdef', text: "somebody's own", hasFailed: false },
  ];
  const during = await runtimes();
  assert.deepEqual([during.ml?.state, during.ml?.text], ['building', '40 %, wheels']);
  assert.deepEqual(Object.keys(during), ['ml', 'python']);
  builds = [{ name: 'ml', text: 'the disk is full', hasFailed: true }];
  assert.deepEqual((await runtimes()).ml?.state, 'failed');
});
