import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import type { Page } from 'playwright-core';
import { addTestUser } from '../accounts/support.ts';
import { until } from '../support/poll.ts';
import { inspect, openBrowser, openDashboard, openView, signIn, typeInto } from './support.ts';

const web = await openDashboard({ maxUploadBytes: 10 * 1024 ** 2 });
after(() => web[Symbol.asyncDispose]());
await addTestUser(web.accounts, 'ann');
const browser = await openBrowser();
after(() => browser.close());
const { store, blobs } = web.context.jobs;
const limitMs = 60_000;
/** An archive with nothing in it. */
const emptyZip = Buffer.concat([Buffer.from('PK\u0005\u0006'), Buffer.alloc(18)]);

const type = (page: Page, script: string): Promise<void> => typeInto(page, 'Python script', script);

test('a script that breaks the grammar is not queued; its line is shown', async () => {
  const { page, complaints } = await openView(browser, web);
  await signIn(page, 'ann', '/submit');
  await page.getByRole('button', { name: 'An example' }).click();
  await page.getByText('pathlib.Path').waitFor();
  assert.deepEqual(await inspect(page, 'submit'), []);
  await type(page, 'x = 1\nif x\nprint(x)\n');
  await page.getByRole('button', { name: 'Submit', exact: true }).click();
  await page.getByText('Line 2, column 5').waitFor();
  await page.locator('.cm-lint-marker-error').waitFor();
  assert.deepEqual(await inspect(page, 'submit-error'), []);
  assert.deepEqual(await store.jobs.list({ owner: 'ann', limit: 9 }), []);
  assert.deepEqual(complaints, []);
});

test('a script with a dataset and limits is queued as it was written, and its page opens', async () => {
  const { page, complaints } = await openView(browser, web);
  await signIn(page, 'ann', '/upload');
  await page.getByRole('heading', { name: 'Submit a job' }).waitFor();
  await type(page, 'print("ünïcödé")\n');
  await page.getByLabel('File name').fill('first.py');
  await page.getByLabel('Arguments').fill('--name "two words"');
  await page.getByLabel('Memory in MiB').fill('256');
  await page
    .getByLabel('Choose a ZIP file')
    .setInputFiles({ name: 'd.zip', mimeType: 'application/zip', buffer: emptyZip });
  await page.getByText('d.zip, 22 B').waitFor();
  await page.getByRole('button', { name: 'Submit', exact: true }).click();
  await page.getByRole('heading', { name: 'first.py' }).waitFor();
  const [job] = await store.jobs.list({ owner: 'ann', limit: 9 });
  assert.equal(job?.state, 'queued');
  assert.deepEqual(job.spec.args, ['--name', 'two words']);
  assert.equal(job.spec.limits.memoryBytes, 256 * 1024 ** 2);
  assert.notEqual(job.spec.dataBlob, null);
  assert.equal(await text((await blobs.read(job.spec.scriptBlob ?? '')).content), 'print("ünïcödé")\n');
  // Once more the same is another job, and no upload was broken off.
  await page.goto('/submit');
  await page.getByText('d.zip, 22 B').waitFor();
  assert.equal(await page.getByText('The upload was broken off').count(), 0);
  await page.getByRole('button', { name: 'Submit', exact: true }).click();
  await page.getByRole('heading', { name: 'first.py' }).waitFor();
  assert.equal((await store.jobs.list({ owner: 'ann', limit: 9 })).length, 2);
  assert.deepEqual(complaints, []);
});

test('a draft outlives a reload, with its dataset; what the server refuses is told', async () => {
  const { page } = await openView(browser, web);
  await signIn(page, 'ann', '/submit');
  await type(page, 'print("kept")\n');
  await page
    .getByLabel('Choose a ZIP file')
    .setInputFiles({ name: 'd.zip', mimeType: 'application/zip', buffer: emptyZip });
  await page.getByLabel('CPUs').fill('4000');
  await until(
    () => savedDraft(page),
    (saved) => saved.includes('4000'),
    limitMs,
  );
  await page.reload();
  await page.getByText('d.zip, 22 B').waitFor();
  await page.getByText('print("kept")').waitFor();
  await page.getByRole('button', { name: 'Submit', exact: true }).click();
  await page.getByRole('alert').getByText(/cpus/i).waitFor();
});

test('an upload that is broken off by a reload is sent again as the same job', async () => {
  const { page } = await openView(browser, web);
  await signIn(page, 'ann', '/submit');
  await type(page, 'print("once")\n');
  const before = (await store.jobs.list({ owner: 'ann', limit: 99 })).length;
  // The server takes it, and its answer is lost.
  await page.route('**/api/v1/jobs', async (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    await route.fetch();
    return new Promise(() => undefined);
  });
  await page.getByRole('button', { name: 'Submit', exact: true }).click();
  await until(
    async () => (await store.jobs.list({ owner: 'ann', limit: 99 })).length,
    (count) => count === before + 1,
    limitMs,
  );
  await page.reload();
  await page.getByText('The upload was broken off').waitFor();
  // Not before: a request that is no longer held is sent on, and its answer could come before the page is left.
  await page.unroute('**/api/v1/jobs');
  await page.getByRole('button', { name: 'Submit', exact: true }).click();
  await page.getByText('Output').first().waitFor();
  assert.equal((await store.jobs.list({ owner: 'ann', limit: 99 })).length, before + 1);
});

/** What the browser keeps of the draft, as text. */
async function savedDraft(page: Page): Promise<string> {
  return page.evaluate(
    `new Promise((resolve) => {
      const opening = indexedDB.open('tidepool', 1);
      opening.onsuccess = () => {
        const asking = opening.result.transaction('drafts').objectStore('drafts').get('ann');
        asking.onsuccess = () => { resolve(JSON.stringify(asking.result ?? null)); opening.result.close(); };
      };
    })`,
  );
}
