import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { passwordOf, whoIs } from '../accounts/support.ts';
import { inspect, openBrowser, openDashboard, openView, signIn } from './support.ts';

const web = await openDashboard();
after(() => web[Symbol.asyncDispose]());
const browser = await openBrowser();
after(() => browser.close());

test('tokens: made, shown once, deleted', async () => {
  const { page, complaints } = await openView(browser, web);
  await signIn(page, 'admin', '/account');
  await page.getByLabel('What it is for').fill('CI');
  await page.getByRole('button', { name: 'Make a token' }).click();
  const secret = (await page.locator('.secret code').textContent()) ?? '';
  assert.equal(await whoIs(web.accounts, secret), 'admin admin');
  assert.deepEqual(await inspect(page, 'account'), []);
  await page.reload();
  await page.getByRole('button', { name: 'Delete token CI' }).waitFor();
  assert.equal(await page.getByText(secret).count(), 0);
  await page.getByRole('button', { name: 'Delete token CI' }).click();
  await page.getByRole('button', { name: 'Delete it' }).click();
  await page.getByText('None. A program signs in').waitFor();
  assert.equal(await whoIs(web.accounts, secret), undefined);
  assert.deepEqual(complaints, []);
});

test('users: added with a password, disabled; their open page asks to sign in', async () => {
  const { page, complaints } = await openView(browser, web);
  await signIn(page, 'admin', '/users');
  await page.getByLabel('Name').fill('bob');
  await page.getByRole('button', { name: 'Add, with a new password' }).click();
  const password = (await page.locator('.secret code').textContent()) ?? '';
  assert.deepEqual(await inspect(page, 'users'), []);
  const other = await openView(browser, web);
  await other.page.goto('/');
  await other.page.getByLabel('Name').fill('bob');
  await other.page.getByLabel('Password').fill(password);
  await other.page.getByRole('button', { name: 'Sign in' }).click();
  await other.page.getByRole('heading', { name: 'No jobs yet' }).waitFor();
  await page.getByRole('button', { name: 'Disable bob' }).click();
  await page.getByText('disabled', { exact: true }).waitFor();
  await other.page.getByRole('button', { name: 'Sign in' }).waitFor();
  assert.deepEqual(complaints, []);
});

test('by keyboard alone: sign in, skip to the page, the menu', async () => {
  const { page } = await openView(browser, web);
  const focused = page.locator(':focus');
  await page.goto('/');
  await page.getByLabel('Name').and(focused).waitFor();
  await page.keyboard.type('admin');
  await page.keyboard.press('Tab');
  await page.keyboard.type(passwordOf('admin'));
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'No jobs yet' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'No jobs yet' }).waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate('document.activeElement.textContent'), 'Skip to the page');
  await page.keyboard.press('Enter');
  await page.locator('#main').and(focused).waitFor();
  await page.getByRole('button', { name: /^admin/ }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('menuitem', { name: 'Password and tokens' }).and(focused).waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Password and tokens' }).waitFor();
});
