import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { addTestUser } from '../accounts/support.ts';
import { addLoggedJob } from './jobs.ts';
import { inspect, openBrowser, openDashboard, openView, signIn } from './support.ts';

const web = await openDashboard();
after(() => web[Symbol.asyncDispose]());
const browser = await openBrowser();
after(() => browser.close());
await addTestUser(web.accounts, 'ann');

test('signing in and out, with a wrong password between', async () => {
  const { page, complaints } = await openView(browser, web);
  await page.goto('/');
  assert.deepEqual(await inspect(page, 'sign-in'), []);
  await page.getByText('First time here?').click();
  await page.getByText('prints the password once').waitFor();
  await page.getByLabel('Name').fill('ann');
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').waitFor();
  await signIn(page, 'ann');
  await page.getByRole('heading', { name: 'No jobs yet' }).waitFor();
  assert.deepEqual(await inspect(page, 'jobs-empty'), []);
  await page.getByRole('button', { name: /^ann/ }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Sign in' }).waitFor();
  assert.deepEqual(complaints, []);
});

test('jobs: states, reasons, filter, cancel; the log of one', async () => {
  const { page, complaints } = await openView(browser, web);
  const running = await addLoggedJob(web, 'ann', 'running');
  await addLoggedJob(web, 'ann', 'succeeded');
  await addLoggedJob(web, 'ann', 'rejected');
  await addLoggedJob(web, 'ann', 'queued');
  await signIn(page, 'ann', '/job-status/ann');
  await page.getByRole('heading', { name: 'Jobs of ann' }).waitFor();
  await page.getByRole('row').nth(4).waitFor();
  assert.equal(await page.getByRole('row').count(), 5);
  assert.deepEqual(await inspect(page, 'jobs'), []);
  await page.getByLabel('State').selectOption('running');
  await page.getByRole('row').nth(2).waitFor({ state: 'detached' });
  await page.getByRole('link', { name: running.spec.name }).click();
  await page.getByText('epoch 3 of 3').waitFor();
  assert.deepEqual(await inspect(page, 'job'), []);
  assert.deepEqual(complaints, []);
});
