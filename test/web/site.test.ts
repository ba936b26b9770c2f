import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { buildSite } from '../../src/site/build.ts';
import { cachedSite } from '../../src/site/cache.ts';
import { ask } from '../accounts/ask.ts';
import { openTestWeb } from '../accounts/server.ts';
import { openTestAccounts } from '../accounts/support.ts';
import { temporaryFolder } from '../support/server.ts';

const cache = await temporaryFolder('site');
after(() => cache.remove());
const folder = await cachedSite(process.cwd(), cache.path, () => undefined);
const web = await openTestWeb(await openTestAccounts(), { site: { folder } });
after(() => web[Symbol.asyncDispose]());
const html = { accept: 'text/html' };

test('the first page loads less than 300 kB, compressed', async () => {
  const files = await buildSite('src/web');
  const page = files.find(({ path }) => path === 'index.html');
  const text = Buffer.from(page?.content ?? '').toString();
  const first = files.filter(({ path }) => path === 'index.html' || text.includes(`/${path}"`));
  assert.ok(first.length >= 4, 'page, style, script and icon');
  const bytes = first.reduce((sum, { content }) => sum + gzipSync(content).length, 0);
  assert.ok(bytes < 300_000, `${bytes} bytes`);
});

test('what was built is not built again', async () => {
  let builds = 0;
  assert.equal(await cachedSite(process.cwd(), cache.path, () => (builds += 1)), folder);
  assert.equal(builds, 0);
});

test('every address of a page gives the dashboard, under a strict policy; the API stays the API', async () => {
  for (const path of ['/', '/submit', '/upload', '/job-status/ann', '/jobs/some', '/no/such/page?x=1']) {
    const { status, headers, text } = await ask(`${web.url}${path}`, 'GET', html);
    assert.equal(status, 200, path);
    assert.match(text, /<div id="root">/);
    assert.match(
      headers['content-security-policy'] as string,
      /default-src 'none'; script-src 'self'; style-src 'self'/,
    );
    assert.doesNotMatch(headers['content-security-policy'] as string, /unsafe/);
    assert.equal(headers['cache-control'], 'no-cache');
  }
  for (const path of ['/api/v1/nothing', '/api', '/assets/nothing.js'])
    assert.equal((await ask(`${web.url}${path}`, 'GET', html)).status, 404, path);
  assert.equal((await ask(`${web.url}/nothing`, 'GET')).status, 404, 'a program gets an error');
  assert.equal((await ask(`${web.url}/nothing`, 'POST', html)).status, 404);
  assert.equal((await ask(`${web.url}/`, 'GET', { ...html, host: 'evil.example' })).status, 403);
});

test('assets are kept for ever and come compressed as asked for', async () => {
  const page = await ask(`${web.url}/`, 'GET', html);
  const script = /src="(\/assets\/main-[^"]+)"/.exec(page.text)?.[1];
  for (const [encoding, wanted] of [
    ['br, gzip', 'br'],
    ['gzip', 'gzip'],
    ['identity', undefined],
  ] as const) {
    const { headers, status } = await ask(`${web.url}${script}`, 'GET', { 'accept-encoding': encoding });
    assert.equal(status, 200);
    assert.equal(headers['content-encoding'], wanted);
    assert.match(headers['cache-control'] ?? '', /immutable/);
    assert.equal(headers['x-content-type-options'], 'nosniff');
  }
  assert.equal((await ask(`${web.url}/assets/..%2findex.html`, 'GET')).status, 404);
});

test('a server without a dashboard says why, and works', async () => {
  await using bare = await openTestWeb(await openTestAccounts(), { site: { problem: 'main.tsx: no such thing' } });
  const { status, text } = await ask(`${bare.url}/`, 'GET', html);
  assert.equal(status, 503);
  assert.match(text, /main\.tsx: no such thing/);
  assert.equal((await ask(`${bare.url}/api/v1/health`, 'GET')).status, 200);
});
