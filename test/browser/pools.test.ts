import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { addTestUser } from '../accounts/support.ts';
import { until } from '../support/poll.ts';
import { ScriptedPool } from './pools.ts';
import { inspect, openBrowser, openDashboard, openView, signIn } from './support.ts';

const limitMs = 60_000;
const pool = new ScriptedPool();
const web = await openDashboard(pool.serverSettings());
after(() => web[Symbol.asyncDispose]());
await pool.fill(web);
await addTestUser(web.accounts, 'ann');
const browser = await openBrowser();
after(() => browser.close());

test('pools: live CPU with what decides, counts, decisions; changed by an administrator', async () => {
  const { page, complaints } = await openView(browser, web);
  await signIn(page, 'admin', '/pools');
  await page.getByRole('img', { name: /CPU of the VMs of default.*default-0001 8\d %/ }).waitFor();
  await page.locator('canvas').first().waitFor();
  assert.deepEqual(await inspect(page, 'pools'), []);

  await page.getByRole('link', { name: 'Open pool default' }).click();
  await page.getByRole('heading', { name: 'Pool default' }).waitFor();
  await page.getByText('all 5 s above 80 %').waitFor();
  assert.deepEqual(await inspect(page, 'pool'), []);
  await page.getByRole('button', { name: 'One VM more' }).click();
  await until(
    async () => pool.told,
    (told) => told.includes('scale 4'),
    limitMs,
  );
  await page.getByRole('button', { name: 'Pause the autoscaler' }).click();
  await page.getByRole('button', { name: 'Resume the autoscaler' }).waitFor();
  await page.getByRole('button', { name: 'Change' }).click();
  await page.getByLabel('At most').fill('8');
  await page.getByLabel('predict').check();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('1 to 8 VMs').waitFor();
  assert.deepEqual(pool.settings.policies, ['window5-80-35', 'backlog', 'predict']);

  await page.getByRole('button', { name: 'Drain default-0001' }).click();
  await until(
    async () => pool.told,
    (told) => told.includes('drain default-0001'),
    limitMs,
  );
  await page.getByRole('button', { name: 'Delete default-0002' }).click();
  assert.ok(!pool.told.includes('delete default-0002'), 'it asks first');
  await page.getByRole('button', { name: 'Delete it' }).click();
  await until(
    async () => pool.told,
    (told) => told.includes('delete default-0002'),
    limitMs,
  );
  assert.deepEqual(complaints, []);
});

test("a VM's console: what it writes, and lines to it", async () => {
  const { page, complaints } = await openView(browser, web);
  await signIn(page, 'admin', '/machines');
  await page.getByRole('button', { name: 'Console of default-0001' }).click();
  await page.getByText('Linux on default-0001').waitFor();
  assert.deepEqual(await inspect(page, 'console'), []);
  await page.getByLabel('Line to send').fill('date');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  const host = page.getByRole('region', { name: 'fake' });
  assert.match((await host.textContent()) ?? '', /up.*QEMU 0\.0\.0 \(tcg\).*8; VMs have \d+/);
  assert.deepEqual(await inspect(page, 'machines'), []);
  assert.deepEqual(complaints, []);
});

test('events come as they happen, and a failed VM is an alert', async () => {
  const { page, complaints } = await openView(browser, web);
  await signIn(page, 'ann', '/events');
  await page.getByText('its agent does not answer').first().waitFor();
  const openAlerts = (count: number) =>
    page.getByTitle('open alerts').and(page.getByText(String(count), { exact: true }));
  await openAlerts(1).waitFor();
  const { store, changes, clock } = web.context.jobs;
  const text = 'unhealthy: 3 VMs failed within a minute, 2 may; replacing stops';
  await store.events.append({ atMs: clock.now(), name: 'alert.raised', pool: 'default', vm: null, text, data: {} });
  changes.notify('events');
  await page.getByText(text).first().waitFor();
  await openAlerts(2).waitFor();
  assert.deepEqual(await inspect(page, 'events'), []);
  const healthy = 'healthy again; replacing goes on';
  await store.events.append({
    atMs: clock.now(),
    name: 'alert.cleared',
    pool: 'default',
    vm: null,
    text: healthy,
    data: {},
  });
  changes.notify('events');
  await page.getByText(healthy).waitFor();
  await openAlerts(1).waitFor();
  assert.deepEqual(complaints, []);
});

test('a user sees pools, and no button that is for administrators', async () => {
  const { page } = await openView(browser, web);
  await signIn(page, 'ann', '/pools/default');
  await page.getByText('default-0001', { exact: true }).first().waitFor();
  for (const name of [/Pause/, /Change/, /Scale/, /^Drain/, /^Delete/, /^Console/])
    assert.equal(await page.getByRole('button', { name }).count(), 0, String(name));
  assert.equal(await page.getByRole('link', { name: 'Users' }).count(), 0);
});
