import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { Harness } from '../support/harness.ts';
import { until } from '../support/poll.ts';

/** HTTP as nobody should send it. */

const maxBodyBytes = 1_000;
const source = `
def handler(request):
    return {"method": request.method, "path": request.path, "body": request.body.decode("latin-1")}
`;
const environment = { TIDEPOOL_MAX_BODY_BYTES: String(maxBodyBytes) };
let harness: Harness;
/** Waits for no rest of a message; the other waits as long as a slow machine needs. */
let hasty: Harness;
before(async () => {
  harness = await Harness.start(source, { environment, before: 'import tidepool.stream as s\ns._LINGER_S = 20' });
  hasty = await Harness.start(source, {
    environment,
    before: 'import tidepool.stream as s\ns.MESSAGE_S = 1\ns._slice = s.struct.pack("ll", 0, 200_000)',
  });
});
after(async () => {
  await harness[Symbol.asyncDispose]();
  await hasty[Symbol.asyncDispose]();
});

const post = (headers: string, body = ''): string => `POST /x HTTP/1.1\r\nHost: h\r\n${headers}\r\n${body}`;
const chunked = (body: string): string => post('Transfer-Encoding: chunked\r\n', body);

const refused: Readonly<Record<string, readonly [status: number, request: string]>> = {
  'no request line': [400, 'hello\r\n\r\n'],
  'a request line that is not whole yet is refused at once': [400, 'hello\r\n'],
  'two words': [400, 'GET /\r\n\r\n'],
  'spaces in the target': [400, 'GET /a b HTTP/1.1\r\n\r\n'],
  'two spaces': [400, 'GET  / HTTP/1.1\r\n\r\n'],
  'a method with odd characters': [400, 'G(T / HTTP/1.1\r\n\r\n'],
  'bare line feeds': [400, 'GET / HTTP/1.1\nHost: h\n\n'],
  'bytes that are not ASCII in the target': [400, 'GET /\xff HTTP/1.1\r\n\r\n'],
  'a target that is no path': [400, 'GET x HTTP/1.1\r\n\r\n'],
  'a percent sign alone': [400, 'GET /%zz HTTP/1.1\r\n\r\n'],
  'a path that is not UTF-8': [400, 'GET /%ff HTTP/1.1\r\n\r\n'],
  'a query that is not UTF-8': [400, 'GET /?a=%ff HTTP/1.1\r\n\r\n'],
  'a query of very many fields': [400, `GET /?${'a&'.repeat(2_000)} HTTP/1.1\r\n\r\n`],
  'HTTP/2': [505, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  'a header without a colon': [400, 'GET / HTTP/1.1\r\nhello\r\n\r\n'],
  'a header with a space before the colon': [400, 'GET / HTTP/1.1\r\nA : b\r\n\r\n'],
  'a header on two lines': [400, 'GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n'],
  'a header with NUL': [400, 'GET / HTTP/1.1\r\nA: b\0c\r\n\r\n'],
  'a header without a name': [400, 'GET / HTTP/1.1\r\n: b\r\n\r\n'],
  'too many headers': [431, `GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(101)}\r\n`],
  'a head that is too long': [431, `GET / HTTP/1.1\r\nA: ${'b'.repeat(40_000)}\r\n\r\n`],
  'a request line that is too long': [431, `GET /${'b'.repeat(40_000)}`],
  'a negative length': [400, post('Content-Length: -1\r\n')],
  'a length with a plus sign': [400, post('Content-Length: +1\r\n', 'x')],
  'a length that is no number': [400, post('Content-Length: ten\r\n')],
  'a length that is empty': [400, post('Content-Length:\r\n')],
  'an endless length': [400, post(`Content-Length: ${'9'.repeat(5_000)}\r\n`)],
  'two lengths': [400, post('Content-Length: 1\r\nContent-Length: 2\r\n', 'xy')],
  'a length and chunks': [400, post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')],
  'a coding that is not known': [501, post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n')],
  'a body that is too long': [413, post(`Content-Length: ${maxBodyBytes + 1}\r\n`, 'x'.repeat(maxBodyBytes + 1))],
  'a body that is far too long': [413, post('Content-Length: 999999999999\r\n', 'x'.repeat(300_000))],
  'a body that is too long and not sent': [413, post('Expect: 100-continue\r\nContent-Length: 100000\r\n')],
  'chunks that are too long together': [413, chunked(`3e8\r\n${'x'.repeat(maxBodyBytes)}\r\n1\r\nx\r\n0\r\n\r\n`)],
  'a chunk that is far too long': [413, chunked('ffffffff\r\n')],
  'the size of a chunk that is no number': [400, chunked('-1\r\n\r\n')],
  'the size of a chunk that is too long': [400, chunked(`${'0'.repeat(2_000)}`)],
  'a chunk that is longer than it says': [400, chunked('1\r\nxyz\r\n0\r\n\r\n')],
  'too many trailers': [431, chunked(`0\r\n${'A: b\r\n'.repeat(200)}\r\n`)],
  'a head that never ends': [408, 'GET / HTTP/1.1\r\nA: b'],
  'a body that never comes': [408, post('Content-Length: 5\r\n', 'abc')],
  'a chunk that never comes': [408, chunked('5\r\nab')],
};

for (const [name, [status, request]] of Object.entries(refused)) {
  test(`${name}: ${status}, and the connection ends`, async () => {
    const text = await (status === 408 ? hasty : harness).exchange(Buffer.from(request, 'latin1'));
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `), text);
    assert.match(text, /\r\nConnection: close\r\n/);
    const { error } = JSON.parse(text.slice(text.indexOf('\r\n\r\n')));
    assert.ok(error.length > 0 && error.length < 300);
  });
}

test('what is unusual and right is taken', async () => {
  const end = 'Connection: close\r\n\r\n';
  const body = async (request: string) => {
    const text = await harness.exchange(request);
    return JSON.parse(text.slice(text.lastIndexOf('\r\n\r\n')));
  };
  assert.deepEqual((await body(`\r\nGET /a HTTP/1.1\r\n${end}`)).path, '/a');
  assert.deepEqual((await body(`GET http://host/a?b HTTP/1.1\r\n${end}`)).path, '/a');
  assert.deepEqual((await body(`OPTIONS * HTTP/1.1\r\n${end}`)).path, '*');
  // Without a length there is no body; what follows would be the next request.
  assert.deepEqual((await body(`POST /a HTTP/1.1\r\n${end}`)).body, '');
  assert.deepEqual(
    (await body(`POST /a HTTP/1.1\r\nContent-Length: 1000\r\n${end}${'x'.repeat(1_000)}`)).body.length,
    1000,
  );
  const chunks = '3;name=value\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n';
  assert.deepEqual((await body(`PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n${end}${chunks}`)).body, 'abcde');
});

test('a client that waits for leave to send gets it', async () => {
  const socket = harness.connect();
  socket.write('POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n');
  let text = '';
  for await (const chunk of socket) {
    text += chunk;
    if (text === 'HTTP/1.1 100 Continue\r\n\r\n') socket.write('abc');
  }
  assert.match(text, /HTTP\/1\.1 200 OK.*"body":"abc"/s);
});

test('a request that comes byte by byte is read all the same', async () => {
  const socket = harness.connect();
  for (const byte of 'GET /bytes HTTP/1.1\r\nConnection: close\r\n\r\n') {
    await new Promise((resolve) => socket.write(byte, resolve));
  }
  let text = '';
  for await (const chunk of socket) text += chunk;
  assert.match(text, /"path":"\/bytes"/);
});

test('who does not take a large answer is given up, and holds up nobody', async () => {
  // More than the kernel keeps for both ends of a connection.
  const large = 'def handler(request):\n    return b"x" * (48 << 20) if request.path == "/large" else "quick"\n';
  const before = 'import tidepool.stream as s\ns.MESSAGE_S = 1\ns._message = s._slice';
  await using own = await Harness.start(large, { before });
  const open = async (): Promise<number> => {
    const port = own.port.toString(16).toUpperCase().padStart(4, '0');
    const established = new RegExp(`^ *\\d+: 0100007F:${port} \\S+ 01 `, 'gm');
    return ((await readFile('/proc/net/tcp', 'utf8')).match(established) ?? []).length;
  };
  const sockets = Array.from({ length: 3 }, () => own.connect().on('error', () => undefined));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  for (const socket of sockets) socket.write('GET /large HTTP/1.1\r\nHost: h\r\n\r\n');
  for (let i = 0; i < 10; i += 1) {
    const answer = await own.fetch('/', { headers: { connection: 'close' } });
    assert.equal(await answer.text(), 'quick');
  }
  assert.equal(await until(open, (count) => count === 0, 60_000), 0);
  for (const socket of sockets) socket.destroy();
  assert.equal((await own.status())?.restarts, 0);
});

test('clients that go away in the middle leave nothing behind', async () => {
  for (const part of ['', 'GET', 'GET / HTTP/1.1\r\n', post('Content-Length: 10\r\n', 'abc')]) {
    assert.equal(await harness.exchange(part, true), '');
  }
  assert.equal((await harness.fetch('/after')).status, 200);
});

test('random bytes, and requests with a byte changed, harm nothing', async () => {
  const seed = Date.now() % 1_000_000;
  console.log(`seed ${seed}`);
  const random = generator(seed);
  const good = Buffer.from(
    `${post('Content-Length: 3\r\nA: b\r\n', 'abc')}${chunked('3\r\nabc\r\n0\r\n\r\n')}`,
    'latin1',
  );
  const inputs = Array.from({ length: 200 }, (_, index) => {
    if (index % 2 === 0) return Buffer.from(Array.from({ length: random(300) }, () => random(256)));
    const changed = Buffer.from(good);
    for (let i = 0; i <= random(3); i += 1) changed[random(changed.length)] = random(256);
    return changed;
  });
  for (let i = 0; i < inputs.length; i += 20) {
    const texts = await Promise.all(inputs.slice(i, i + 20).map((input) => harness.exchange(input, true)));
    for (const text of texts) assert.match(text, /^($|HTTP\/1\.1 \d{3} )/);
  }
  assert.equal((await harness.fetch('/after')).status, 200);
  const status = await harness.status();
  assert.deepEqual([status?.restarts, status?.errors, harness.output], [0, 0, '']);
});

/** Numbers below a limit, the same for the same seed (mulberry32). */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
