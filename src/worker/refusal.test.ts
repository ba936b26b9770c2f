import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { type ErrorCode, errorCodes, hasCode, TidepoolError } from '../domain/errors.ts';
import { isFinal } from './refusal.ts';
import { askJson, problemError, unreachable } from './server.ts';

/** Every code that a server can answer with, and whether a worker ends by it. */
const ofServer: Readonly<Record<ErrorCode, boolean>> = {
  invalid: true,
  unauthenticated: true,
  forbidden: true,
  not_found: false,
  conflict: false,
  out_of_range: false,
  too_large: false,
  exhausted: false,
  unavailable: false,
  timeout: false,
  upstream: false,
  aborted: false,
  internal: false,
};

for (const [code, expected] of Object.entries(ofServer)) {
  test(`a worker ${expected ? 'ends' : 'tries again'} when the server refuses it with ${code}`, () => {
    const problem = JSON.stringify({ code, detail: 'why' });
    assert.equal(isFinal(problemError(problem, errorCodes[code as ErrorCode].httpStatus)), expected);
  });
}

const withCode = (code: string) => Object.assign(new Error(`${code}: no`), { code, syscall: 'write', path: '/x' });
const others: readonly (readonly [what: string, error: unknown, expected: boolean])[] = [
  ['a proxy answers with a page', problemError('<html>', 502), false],
  ['a proxy asks for a sign-in of its own', problemError('<html>', 401), false],
  ['nothing listens', unreachable('http://x', withCode('ECONNREFUSED')), false],
  ['the disk of the worker is full', withCode('ENOSPC'), false],
  ['the worker has no descriptors left', withCode('EMFILE'), false],
  ['a connection breaks', withCode('ECONNRESET'), false],
  ['the worker cannot unpack a runtime at all', new TidepoolError('internal', 'neither mounted nor unpacked'), true],
  ['the worker has a mistake', new TypeError('x is not a function'), true],
];
for (const [what, error, expected] of others) {
  test(`a worker ${expected ? 'ends' : 'tries again'} when ${what}`, () => assert.equal(isFinal(error), expected));
}

test('an answer that is cut off, or is no JSON, is tried again', async () => {
  let cut = true;
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': 100 });
    if (cut) response.write('{"runtimes"', () => response.destroy());
    else response.end('x'.repeat(100));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const address = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: 't' };
    const failsWith = (code: ErrorCode) =>
      assert.rejects(askJson(address, 'GET', '/'), (error) => hasCode(error, code) && !isFinal(error));
    await failsWith('unavailable');
    cut = false;
    await failsWith('upstream');
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
