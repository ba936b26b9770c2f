import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { encodeFrame } from '../../src/protocol/output-frames.ts';
import { addTestUser } from '../accounts/support.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { addLoggedJob, endJob, writeLog } from './jobs.ts';
import { inspect, openBrowser, openDashboard, openView, signIn } from './support.ts';

const web = await openDashboard();
after(() => web[Symbol.asyncDispose]());
await addTestUser(web.accounts, 'ann');
const browser = await openBrowser();
after(() => browser.close());
const MiB = 1024 ** 2;

test('a log follows, pauses when somebody scrolls, is searched, and does no harm', async () => {
  const { page, complaints } = await openView(browser, web);
  const job = await addLoggedJob(web, 'ann', 'running');
  const lines = Array.from({ length: 300 }, (_, i) => `step ${i}`);
  await writeLog(web, job, 'stdout', `${lines.join('\n')}\n`);
  await writeLog(web, job, 'stdout', '<img src=x onerror=alert(1)>\u001b[31m red \u202e\n');
  await signIn(page, 'ann', `/jobs/${job.id}`);
  await page.getByText('<img src=x onerror=alert(1)> red \\u202e').waitFor();
  const box = page.getByRole('region', { name: 'the output' });
  await box.hover();
  await page.mouse.wheel(0, -100_000);
  await page.getByText('loading ./data').waitFor();
  await writeLog(web, job, 'stdout', 'much later\n');
  await page.getByText('307 lines').waitFor();
  assert.equal(await page.getByText('much later').count(), 0, 'it stays where it is');
  await page.getByRole('button', { name: 'To the end' }).click();
  await page.getByText('much later').waitFor();
  await page.getByLabel('Search in the output').fill('STEP 7');
  await page.getByText('1 of 11').waitFor();
  await page.locator('.log-line.here', { hasText: 'step 7' }).waitFor();
  await page.keyboard.press('Enter');
  await page.getByText('2 of 11').waitFor();
  assert.deepEqual(await inspect(page, 'log'), []);
  await endJob(web, job, 'succeeded');
  await page.getByText('ended with exit code 0').waitFor();
  assert.deepEqual(complaints, []);
});

test('files: pictures and text are looked at, everything is downloaded', async () => {
  const { page, complaints } = await openView(browser, web);
  const job = await addLoggedJob(web, 'ann', 'succeeded');
  await signIn(page, 'ann', `/jobs/${job.id}`);
  await page.getByRole('button', { name: 'Look at model/report.txt' }).click();
  await page.getByText('accuracy 0.97').waitFor();
  assert.equal(await page.getByText('red \\u202eback').count(), 1);
  assert.deepEqual(await inspect(page, 'file'), []);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Look at picture.png' }).click();
  await page.getByRole('img', { name: 'picture.png' }).waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await page.getByRole('button', { name: 'Look at weights.bin' }).count(), 0);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Download all' }).click(),
  ]);
  assert.equal(download.suggestedFilename(), `${job.id}.zip`);
  const rejected = await addLoggedJob(web, 'ann', 'rejected');
  await page.goto(`/jobs/${rejected.id}`);
  await page.getByText("expected ':'").waitFor();
  await page.getByText('in train.py, line 12, column 9').waitFor();
  assert.deepEqual(await inspect(page, 'job-rejected'), []);
  assert.deepEqual(complaints, []);
});

test('100 MB of output do not freeze the page', async () => {
  const { page, complaints } = await openView(browser, web);
  const job = await addLoggedJob(web, 'ann', 'running');
  const line = `${'.'.repeat(99)}\n`;
  const { logs } = web.context.jobs;
  const frame = encodeFrame({ stream: 'stdout', atMs: 1, data: Buffer.from(line.repeat(655)) });
  const frames = Math.ceil((100 * MiB) / (655 * line.length));
  for (let i = 0; i < frames; i += 100)
    await logs.append(job.id, 1, Buffer.concat(Array(Math.min(100, frames - i)).fill(frame)));
  await writeLog(web, job, 'stdout', 'the very last line\n');
  await signIn(page, 'ann', '/');
  // The longest time in which the page could do nothing else.
  await page.evaluate(`
    window.longestMs = 0;
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) window.longestMs = Math.max(window.longestMs, duration);
    }).observe({ type: 'longtask' });`);
  using machine = new Stopwatch();
  await page.getByRole('link', { name: job.spec.name }).click();
  await page.getByText('the very last line').waitFor({ timeout: 120_000 });
  const longestMs = Number(await page.evaluate('window.longestMs'));
  const stoodStillMs = machine.stoodStillMs;
  const mostMs = Math.max(1_000, machine.elapsedMs / 5);
  const nodes = Number(await page.evaluate('document.querySelectorAll(".log-line").length'));
  // Of a machine that is slow all takes longer, the work at a stretch too.
  assert.ok(longestMs - stoodStillMs < mostMs, `${longestMs} ms at a stretch, ${mostMs} ms are allowed`);
  assert.ok(nodes < 200, `${nodes} lines in the page`);
  assert.deepEqual(complaints, []);
});

test('a broken stream says so, and goes on where it was', async () => {
  const { page, complaints } = await openView(browser, web);
  const job = await addLoggedJob(web, 'ann', 'running');
  await signIn(page, 'ann', `/jobs/${job.id}`);
  await page.getByText('epoch 3 of 3').waitFor();
  await page.context().setOffline(true);
  // A browser without a network keeps its connections until it finds them dead; these are cut at once.
  web.cutConnections();
  await page.getByText('connection lost, trying again').waitFor();
  await page.getByText('This computer is offline').waitFor();
  assert.deepEqual(await inspect(page, 'connection-lost'), []);
  await writeLog(web, job, 'stdout', 'written meanwhile\n');
  await page.context().setOffline(false);
  await page.getByText('written meanwhile').waitFor();
  await page.getByText('This computer is offline').waitFor({ state: 'hidden' });
  assert.equal(await page.getByText('epoch 1 of 3').count(), 1, 'nothing is there twice');
  assert.deepEqual(
    complaints.filter((text) => !text.includes('ERR_')),
    [],
  );
});
