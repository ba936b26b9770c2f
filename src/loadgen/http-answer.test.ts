import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HttpAnswer } from './http-answer.ts';

/** What a reader makes of bytes that come in these pieces, all of one answer. */
function read(pieces: readonly Buffer[], reader = new HttpAnswer()) {
  reader.reset();
  // The buffer is used again, so what lies behind the length is left from before.
  const buffer = Buffer.alloc(256 * 1024, 'HTTP/1.1 200 OK\r\n\r\n');
  let state: 'more' | 'done' | 'bad' = 'more';
  for (const piece of pieces) {
    if (state !== 'more') break;
    piece.copy(buffer);
    state = reader.read(buffer, piece.length);
  }
  const { outcome, server, keepsOpen } = reader;
  return { state, outcome, server, keepsOpen, reader };
}

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...cuts.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at
    .slice(1)
    .map((end, i) => bytes.subarray(at[i], end))
    .filter((piece) => piece.length > 0);
}

const ok = { state: 'done', outcome: 'ok', server: undefined, keepsOpen: true } as const;
const answers: Readonly<Record<string, readonly [text: string, expected: object]>> = {
  'a length': ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', ok],
  'a length of none': ['HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n', ok],
  'no reason and no space after the status': ['HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx', ok],
  'the same length twice': ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx', ok],
  'no body by its status': ['HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n', ok],
  'not modified': ['HTTP/1.1 304 Not Modified\r\n\r\n', ok],
  chunks: [
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1A;x=y\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n',
    ok,
  ],
  'chunks with trailers': [
    'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n1\r\n\n\r\n0\r\nA: b\r\nC: d\r\n\r\n',
    ok,
  ],
  'an interim answer before': [
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx',
    ok,
  ],
  'a wish to close': [
    'HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 1\r\n\r\nx',
    { ...ok, keepsOpen: false },
  ],
  'HTTP/1.0': ['HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx', { ...ok, keepsOpen: false }],
  'HTTP/1.0 that keeps open': ['HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx', ok],
  'both framings': [
    'HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
    { ...ok, keepsOpen: false },
  ],
  'a refusal': ['HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n', { ...ok, outcome: 'http 4xx' }],
  'a failure': ['HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n', { ...ok, outcome: 'http 5xx' }],
  'its server as a field of the head': [
    'HTTP/1.1 200 OK\r\nX-Tidepool-Server:  fib-0001 \r\nContent-Length: 0\r\n\r\n',
    { ...ok, server: 'fib-0001' },
  ],
  'its server in JSON': [
    'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 41\r\n\r\n{"input":5,"result":5,"server": "fib-02"}',
    { ...ok, server: 'fib-02' },
  ],
  'a server with a name that is none': [
    'HTTP/1.1 200 OK\r\nX-Tidepool-Server: a b\x1b\r\nContent-Length: 0\r\n\r\n',
    ok,
  ],
};
for (const [name, [text, expected]] of Object.entries(answers)) {
  test(`an answer with ${name} is read, however it is cut`, () => {
    const bytes = Buffer.from(text, 'latin1');
    const check = (cuts: readonly number[]): void => {
      const { reader: _, ...result } = read(cut(bytes, cuts));
      assert.deepEqual(result, expected);
    };
    check([]);
    check(Array.from(bytes, (_, i) => i));
    fc.assert(fc.property(fc.array(fc.nat({ max: bytes.length }), { maxLength: 6 }), check), { numRuns: 50 });
  });
}

test('one reader reads many answers, one after another', () => {
  const reader = new HttpAnswer();
  for (let round = 0; round < 3; round += 1) {
    for (const [text, expected] of Object.values(answers)) {
      const { reader: _, ...result } = read([Buffer.from(text, 'latin1')], reader);
      assert.deepEqual(result, expected);
    }
  }
});

const bad: Readonly<Record<string, string>> = {
  'no HTTP': 'SSH-2.0-OpenSSH\r\n\r\n',
  'another version': 'HTTP/2.0 200 OK\r\n\r\n',
  'a status that is none': 'HTTP/1.1 999 OK\r\n\r\n',
  'a line without a colon': 'HTTP/1.1 200 OK\r\nhello\r\n\r\n',
  'a folded line': 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n',
  'a space before the colon': 'HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nx',
  'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx',
  'a length below zero': 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
  'a length beyond all': 'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n',
  'a list of lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx',
  'a switch of protocols': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n',
  'a chunk without a size': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\r\n',
  'a chunk beyond all': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n',
  'a chunk that is longer than it says': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n',
  'a chunk line without an end': `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(5_000)}`,
  'trailers without an end': `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${'A: b\r\n'.repeat(9_000)}`,
  'a head without an end': `HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(9_000)}`,
  'a head that is too long': `HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(9_000)}\r\n`,
};
for (const [name, text] of Object.entries(bad)) {
  test(`an answer with ${name} is bad, however it is cut`, () => {
    const bytes = Buffer.from(text, 'latin1');
    assert.equal(read([bytes]).state, 'bad');
    assert.equal(read(cut(bytes, [3, 30, 200, 2_000])).state, 'bad');
  });
}

test('a body without a length ends with the connection; what is cut before is not whole', () => {
  const { state, reader } = read([Buffer.from('HTTP/1.1 200 OK\r\nX-Tidepool-Server: a\r\n\r\nhel')]);
  assert.equal(state, 'more');
  assert.equal(reader.end(), true);
  assert.deepEqual([reader.outcome, reader.server, reader.keepsOpen], ['ok', 'a', false]);
  for (const part of ['HTTP/1.1 200 OK\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel']) {
    const half = read([Buffer.from(part)]);
    assert.equal(half.state, 'more');
    assert.equal(half.reader.end(), false);
  }
});

test('what comes after an answer keeps the connection from being used again', () => {
  const { state, keepsOpen } = read([Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxyz')]);
  assert.deepEqual([state, keepsOpen], ['done', false]);
});

test('bytes of any kind are taken without an exception, and a whole answer has an end', () => {
  const alphabet = fc.constantFrom(
    ...'HTTP/1.1 200 OK\r\n\r\nContent-Length: Transfer-Encoding: chunked0123456789af;:',
  );
  const texts = fc.string({ unit: alphabet, maxLength: 400 });
  fc.assert(
    fc.property(texts, fc.array(fc.nat(), { maxLength: 4 }), (text, cuts) => {
      const bytes = Buffer.from(`HTTP/1.1 200 OK\r\n${text}`, 'latin1');
      const whole = read([bytes]).state;
      assert.ok(['more', 'done', 'bad'].includes(whole));
      // However it is cut, the end is the same.
      assert.equal(read(cut(bytes, cuts)).state, whole);
    }),
    { numRuns: 500 },
  );
});
