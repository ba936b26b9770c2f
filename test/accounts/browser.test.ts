import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { identify } from '../../src/accounts/identity.ts';
import { ask, upgrade } from './ask.ts';
import { openTestWeb } from './server.ts';
import { addTestUser, openTestAccounts, passwordOf, sessionOf, tokenOf, whoIs } from './support.ts';

/** What browsers send, and what strangers' pages make them send. */
const web = await openTestWeb(await openTestAccounts({ signUp: true }), {
  allowedHosts: ['Pool.example'],
  trustedProxies: ['127.0.0.9'],
});
after(() => web[Symbol.asyncDispose]());
const { accounts } = web;
await addTestUser(accounts, 'ann');
const at = (path: string): string => `${web.url}/api/v1${path}`;
const credentials = { name: 'ann', password: passwordOf('ann') };
const ours = { origin: web.url };

/** The value of the session's cookie in an answer. */
function cookieOf(headers: { 'set-cookie'?: string[] | undefined }): { value: string; attributes: string[] } {
  const [pair = '', ...attributes] = (headers['set-cookie']?.[0] ?? '').split('; ');
  assert.match(pair, /^(__Host-)?tidepool_session=/);
  return { value: pair.slice(pair.indexOf('=') + 1), attributes: attributes.sort() };
}

test('signing in sets a cookie that scripts cannot read and other sites cannot send', async () => {
  const answer = await ask(at('/session'), 'POST', ours, credentials);
  assert.equal(answer.status, 200);
  const { value, attributes } = cookieOf(answer.headers);
  assert.deepEqual(attributes, ['HttpOnly', 'Max-Age=864000', 'Path=/', 'SameSite=Strict']);
  assert.ok(!answer.text.includes(value), 'the secret is in no body that a script reads');
  const who = await ask(at('/account'), 'GET', { cookie: `a=b; tidepool_session=${value}; c=d` });
  assert.deepEqual(JSON.parse(who.text), { name: 'ann', role: 'user', signedInBy: 'session', scopes: null });
  assert.equal(who.headers['cache-control'], 'no-store');
});

test('a session that was known before a sign-in is worth nothing after it', async () => {
  const planted = 'tps_planted-by-a-stranger';
  const first = await ask(at('/session'), 'POST', { ...ours, cookie: `tidepool_session=${planted}` }, credentials);
  const { value: former } = cookieOf(first.headers);
  assert.notEqual(former, planted);
  assert.equal(await whoIs(accounts, planted), undefined);
  const second = await ask(at('/session'), 'POST', { ...ours, cookie: `tidepool_session=${former}` }, credentials);
  assert.equal(await whoIs(accounts, former), undefined, 'and the one that this browser had has ended');
  assert.equal(await whoIs(accounts, cookieOf(second.headers).value), 'ann user');
});

test('signing out ends the session and clears the cookie; so does an ended session', async () => {
  const secret = await sessionOf(accounts, 'ann');
  const cookie = `tidepool_session=${secret}`;
  const out = await ask(at('/session'), 'DELETE', { ...ours, cookie });
  assert.equal(out.status, 204);
  assert.ok(cookieOf(out.headers).attributes.includes('Max-Age=0'));
  assert.equal(await whoIs(accounts, secret), undefined);
  const again = await ask(at('/account'), 'GET', { cookie });
  assert.equal(again.status, 401);
  assert.ok(cookieOf(again.headers).attributes.includes('Max-Age=0'));
});

test('changing the password gives this browser a new session', async () => {
  await addTestUser(accounts, 'cid');
  const secret = await sessionOf(accounts, 'cid');
  const body = { current: passwordOf('cid'), next: 'quite another one' };
  const answer = await ask(at('/account/password'), 'PUT', { ...ours, cookie: `tidepool_session=${secret}` }, body);
  assert.equal(answer.status, 204);
  assert.equal(await whoIs(accounts, secret), undefined);
  assert.equal(await whoIs(accounts, cookieOf(answer.headers).value), 'cid user');
});

test("what a stranger's page makes the browser do is refused (CSRF)", async () => {
  const { host } = new URL(web.url);
  const port = Number(new URL(web.url).port);
  const secret = await sessionOf(accounts, 'ann');
  const cookie = `tidepool_session=${secret}`;
  const origins = [
    ...['https://evil.example', 'null', '', `https://${host}`, `http://127.0.0.1:${port + 1}`, 'http://127.0.0.1'],
    ...[`${web.url}.evil.example`, `${web.url}/`, `http://x@${host}`, `http://localhost:${port}`],
  ];
  for (const origin of origins) {
    const cancel = await ask(at('/jobs/none/cancel'), 'POST', { cookie, origin });
    assert.equal(cancel.status, 403, origin);
    const login = await ask(at('/session'), 'POST', { origin }, credentials);
    assert.equal(login.status, 403, `signing a browser in as somebody else: ${origin}`);
    const signUp = await ask(at('/signup'), 'POST', { origin }, { name: 'eve', password: 'quite another one' });
    assert.equal(signUp.status, 403);
  }
  assert.equal((await ask(at('/jobs/none/cancel'), 'POST', { cookie })).status, 403, 'without an origin');
  assert.equal((await ask(at('/jobs/none/cancel'), 'POST', { cookie, ...ours })).status, 404, 'from our own page');
  assert.equal(await accounts.store.get('eve'), undefined);
  assert.ok(await identify(accounts, secret), 'the session itself is not harmed');
});

test('programs with a token need no origin', async () => {
  const token = await tokenOf(accounts, 'ann', ['jobs']);
  const headers = { authorization: `Bearer ${token}` };
  assert.equal((await ask(at('/jobs/none/cancel'), 'POST', headers)).status, 404);
  assert.equal((await ask(at('/session'), 'POST', {}, credentials)).status, 200);
});

test("no stranger's page opens a console by WebSocket", async () => {
  const cookie = `tidepool_session=${await sessionOf(accounts, 'admin')}`;
  const open = (headers: Record<string, string>) =>
    ask(at('/vms/test-0000/console'), 'GET', { ...upgrade, ...headers });
  assert.equal((await open({ cookie, origin: 'https://evil.example' })).status, 403);
  assert.equal((await open({ cookie })).status, 403);
  const refused = await open({});
  assert.equal(refused.status, 401);
  assert.equal(refused.headers.connection, 'close');
  assert.equal((await open({ cookie: `tidepool_session=${await sessionOf(accounts, 'ann')}`, ...ours })).status, 403);
  assert.equal((await open({ cookie, ...ours })).status, 101);
  const authorization = `Bearer ${await sessionOf(accounts, 'admin')}`;
  assert.equal((await open({ authorization })).status, 101);
});

test('under a name that is not ours nothing is answered (DNS rebinding)', async () => {
  const port = new URL(web.url).port;
  const status = async (host: string, more: Record<string, string> = {}) =>
    (await ask(at('/health'), 'GET', { host, ...more })).status;
  const good = ['localhost', 'LOCALHOST', 'x.localhost', '127.0.0.1', '127.9.9.9', '10.1.2.3', '[::1]', 'pool.example'];
  for (const host of [...good, 'POOL.example.']) {
    assert.equal(await status(`${host}:${port}`), 200, host);
    assert.equal(await status(host), 200, host);
  }
  const bad = [
    'evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    'evil-localhost',
    'pool.example.evil',
  ];
  for (const host of [...bad, '127.0.0.1@evil.example', 'xn--localhost', '0x7f000001.evil', '1.evil']) {
    assert.notEqual(await status(host), 200, host);
  }
  assert.equal(
    await status('evil.example', { 'x-forwarded-host': 'localhost' }),
    403,
    'who says so is no proxy of ours',
  );
  for (const start of ['GET /api/v1/health HTTP/1.0\r\n', 'GET /api/v1/health HTTP/1.1\r\nHost:\r\n']) {
    assert.match(await rawAnswer(`${start}Connection: close\r\n\r\n`), /^HTTP\/1.1 403 /);
  }
  const lost = await ask(`${web.url}/nothing/here`, 'GET', { host: 'evil.example' });
  assert.equal(lost.status, 403, 'also where there is nothing');
});

async function rawAnswer(lines: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(web.url).port) });
  socket.end(lines);
  return text(socket);
}

test('nobody is somebody by odd headers', async () => {
  const secret = await sessionOf(accounts, 'ann');
  const odd: Record<string, string>[] = [
    { authorization: secret },
    { authorization: `Basic ${secret}` },
    { authorization: 'Bearer ' },
    { authorization: `Bearer ${secret} ${secret}` },
    { authorization: `Bearer ${'x'.repeat(8_000)}` },
    { authorization: 'Bearer nothing', cookie: `tidepool_session=${secret}` },
    { cookie: `tidepool_session=${secret}; tidepool_session=${secret}` },
    { cookie: `Tidepool_session=${secret}` },
    { cookie: `__Host-tidepool_session=${secret}` },
    { cookie: 'tidepool_session=' },
    { cookie: '; ;=;tidepool_session' },
  ];
  for (const headers of odd) {
    const { status } = await ask(at('/account'), 'GET', headers);
    assert.equal(status, 401, JSON.stringify(headers).slice(0, 80));
  }
  assert.equal((await ask(at('/account'), 'GET', { authorization: `bearer ${secret}` })).status, 200);
});

test('a refusal says when to try again', async () => {
  await addTestUser(accounts, 'dan');
  const wrong = { name: 'dan', password: 'wrong' };
  for (let i = 0; i < 10; i += 1) assert.equal((await ask(at('/session'), 'POST', {}, wrong)).status, 401);
  const answer = await ask(at('/session'), 'POST', {}, wrong);
  assert.equal(answer.status, 429);
  assert.equal(answer.headers['retry-after'], '60');
});
