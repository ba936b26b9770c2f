import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { defaultCacheDir } from '../../src/config/paths.ts';
import { cachedSite } from '../../src/site/cache.ts';
import { openTestWeb, type TestWeb, type WebSettings } from '../accounts/server.ts';
import { openTestAccounts, passwordOf } from '../accounts/support.ts';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Where pictures of all pages are put. */
export const screenshots = process.env.TIDEPOOL_SCREENSHOTS ?? join(tmpdir(), 'tidepool-screenshots');

const desktop = { width: 1280, height: 800 };
const phone = { width: 390, height: 844 };

/** Debian's Chromium, which asks nobody on the network for anything. */
export async function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
      ...['--disable-component-update', '--disable-sync'],
    ],
  });
}

/** The server on fakes with the dashboard, at the present time. */
export async function openDashboard(settings: WebSettings = {}): Promise<TestWeb> {
  // Built once for all files.
  const folder = await cachedSite(process.cwd(), defaultCacheDir(), () => undefined);
  const accounts = await openTestAccounts();
  await accounts.clock.advance(Date.now() - accounts.clock.now());
  const web = await openTestWeb(accounts, { site: { folder }, ...settings });
  return web;
}

export interface View {
  readonly page: Page;
  /** What the browser complained of: scripts that failed, what the content security policy stopped. */
  readonly complaints: readonly string[];
}

/** A window of its own, without a session. */
export async function openView(
  browser: Browser,
  web: Pick<TestWeb, 'url'>,
  options: BrowserContextOptions = {},
): Promise<View> {
  const context = await browser.newContext({
    baseURL: web.url,
    viewport: desktop,
    reducedMotion: 'reduce',
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(`${error.stack}`));
  page.on('console', (message) => {
    // The browser itself tells of every refusal; those are tested by what the page says.
    const isRefusal = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !isRefusal) complaints.push(message.text());
  });
  return { page, complaints };
}

/** Signs in on the page that asks for it. */
export async function signIn(
  page: Page,
  name = 'admin',
  path = '/',
  password: string = passwordOf(name),
): Promise<void> {
  await page.goto(path);
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('navigation', { name: 'Sections' }).waitFor({ state: 'attached' });
}

/**
 * Writes this into an editor, in place of what is there. That is deleted first: what Chromium types over coloured text it
 * tries to colour by itself, which our content security policy stops and its console tells.
 */
export async function typeInto(page: Page, editor: string, text: string): Promise<void> {
  await page.getByRole('textbox', { name: editor }).click();
  await page.keyboard.press('Control+a');
  await page.keyboard.press('Delete');
  await page.keyboard.insertText(text);
}

interface AxeFinding {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/** What axe finds wrong on the page, a text each. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  const found = (await page.evaluate('axe.run(document).then((result) => result.violations)')) as AxeFinding[];
  return found.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`));
}

/** Pictures of what is shown: light and dark, on a desktop and on a phone; what axe finds in each. */
export async function inspect(page: Page, name: string): Promise<string[]> {
  await mkdir(screenshots, { recursive: true });
  const problems: string[] = [];
  for (const [device, viewport] of Object.entries({ desktop, phone })) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(300);
      await page.screenshot({ path: join(screenshots, `${name}-${device}-${colorScheme}.png`) });
      problems.push(...(await violations(page)).map((text) => `${name}, ${device}, ${colorScheme}: ${text}`));
    }
    const wide = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
    if (Number(wide) > 0) problems.push(`${name}, ${device}: the page is ${wide} pixels wider than the window`);
  }
  await page.setViewportSize(desktop);
  await page.emulateMedia({ colorScheme: 'light' });
  return problems;
}
