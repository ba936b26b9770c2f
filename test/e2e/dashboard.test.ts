import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { ZipFile } from 'yazl';
import { inspect, openBrowser, openView, signIn, typeInto } from '../browser/support.ts';
import { qemuPid } from '../support/libvirt-harness.ts';
import { startServer, type TestServer, temporaryFolder, tidepool } from '../support/server.ts';

/** The dashboard as people use it: a real server, real VMs, a real browser. */
const config = { pools: [{ name: 'default', prefix: 'dash', min: 1, max: 2, policies: [] }] };
const minute = 60_000;
/** A VM boots within this, also on a busy machine. */
const bootsWithin = 3 * minute;

let server: TestServer;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let browser: Browser;
let admin = '';
let student = '';

before(async () => {
  folder = await temporaryFolder('dashboard');
  const dataDir = join(folder.path, 'data');
  await writeFile(join(folder.path, 'config.json'), JSON.stringify(config));
  server = await startServer(dataDir, ['--config', join(folder.path, 'config.json')]);
  admin = /the administrator is admin, with the password (\S+)/.exec(server.output())?.[1] ?? '';
  student = JSON.parse((await tidepool(dataDir, ['user', 'add', 'ann', '--json'])).stdout).password;
  browser = await openBrowser();
});
after(async () => {
  await browser.close();
  server.signal('SIGINT');
  assert.equal(await server.ended, 0, server.output());
  await folder.remove();
});

const script = `import pathlib, time

rows = pathlib.Path("data/rows.csv").read_text().split()
for row in rows:
    print("row", row, flush=True)
    time.sleep(0.2)
pathlib.Path("out/sum.txt").write_text(f"{sum(map(int, rows))}\\n")
`;

test('a student signs in, submits a script with a dataset, follows it and downloads its file', async () => {
  const { page, complaints } = await openView(browser, server);
  await signIn(page, 'ann', '/', student);
  await page.getByRole('link', { name: 'Submit the first one' }).click();
  await typeInto(page, 'Python script', script);
  const archive = new ZipFile();
  archive.addBuffer(Buffer.from('1\n2\n39\n'), 'rows.csv');
  archive.end();
  const dataset = { name: 'rows.zip', mimeType: 'application/zip', buffer: await buffer(archive.outputStream) };
  await page.getByLabel('Choose a ZIP file').setInputFiles(dataset);
  await page.getByRole('button', { name: 'Submit', exact: true }).click();
  await page.getByText('row 39').waitFor({ timeout: minute });
  await page.getByText('ended with exit code 0').waitFor({ timeout: minute });
  assert.deepEqual(await inspect(page, 'vm-job'), []);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Download sum.txt' }).click(),
  ]);
  assert.equal(await readFile(await download.path(), 'utf8'), '42\n');
  assert.deepEqual(complaints, []);
});

test('an operator watches a scale-out, and the alert when a VM is killed', { timeout: 2 * bootsWithin }, async () => {
  const { page, complaints } = await openView(browser, server);
  await signIn(page, 'admin', '/pools/default', admin);
  await page.locator('canvas').first().waitFor();
  await page.getByRole('button', { name: 'One VM more' }).click();
  const ready = page.locator('.figure', { hasText: 'ready' });
  await ready.getByText('1', { exact: true }).waitFor();
  await ready.getByText('2', { exact: true }).waitFor({ timeout: bootsWithin });
  await page.getByRole('img', { name: /CPU of the VMs of default.*dash-0000 .*dash-0001/ }).waitFor();
  assert.deepEqual(await inspect(page, 'vm-pool'), []);
  assert.equal(await page.getByTitle('open alerts').count(), 0);
  process.kill(await qemuPid('dash-0001'), 'SIGKILL');
  await page.getByTitle('open alerts').waitFor({ timeout: minute });
  await page.getByRole('link', { name: 'Events' }).first().click();
  await page
    .getByText(/dash-0001.*/)
    .first()
    .waitFor();
  assert.deepEqual(await inspect(page, 'vm-alert'), []);
  await page.goBack();
  await ready.getByText('2', { exact: true }).waitFor({ timeout: bootsWithin });
  assert.deepEqual(complaints, []);
});
