import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bufferBytes, frontendName, haproxyConfig, placeOfFrontend } from './config.ts';
import { sampleServer, sampleService } from './service.fake.ts';

const settings = { holdScript: '/data/hold.lua', threads: 2, waitMs: 30_000, account: null };

test('an http service: its limits, its check, and the servers that serve', () => {
  const { text, fingerprint } = haproxyConfig([sampleService()], settings);
  for (const line of [
    `description tidepool ${fingerprint}`,
    'set-var proc.failed_web_1 int(0)',
    'frontend web-1:127.0.0.1:8080',
    'bind 127.0.0.1:8080',
    'http-request deny deny_status 413 if { req.body_size gt 1000 }',
    'backend web-1',
    'balance leastconn',
    'timeout server 30000ms',
    "http-check send meth GET uri '/health?x=1' ver HTTP/1.1 hdr Host tidepool",
    'http-request disable-l7-retry unless { method GET HEAD OPTIONS TRACE PUT DELETE }',
    'server successor 127.0.0.1:8080 weight 0',
    'server a:127.0.0.1:9001 127.0.0.1:9001',
  ])
    assert.ok(
      text.split('\n').some((one) => one.trim() === line),
      line,
    );
  assert.ok(!text.includes('9002'), 'what drains is not written');
  assert.match(text, /default-server check .* maxconn 16 /);
});

test('a tcp service has no rule of http', () => {
  const { text } = haproxyConfig([sampleService({ protocol: 'tcp', healthPath: null, maxBodyBytes: null })], settings);
  const ofService = text.slice(text.indexOf('frontend '));
  assert.ok(!ofService.includes('http'), ofService);
  assert.match(ofService, /tcp-request content lua\.hold 300 if /);
});

test('the fingerprint tells changes that need a reload from those of servers', () => {
  const { fingerprint } = haproxyConfig([sampleService()], settings);
  const of = (fields: Parameters<typeof sampleService>[0]): string =>
    haproxyConfig([sampleService(fields)], settings).fingerprint;
  assert.equal(of({ servers: [] }), fingerprint);
  assert.equal(of({ servers: [sampleServer({ port: 7 })] }), fingerprint);
  const changes = [
    { port: 1 },
    { maxPerServer: 1 },
    { healthPath: null },
    { maxBodyBytes: null },
    { requestTimeoutMs: 1 },
  ];
  const others = changes.map(of);
  assert.equal(new Set([fingerprint, ...others]).size, changes.length + 1);
});

test('the order of services makes no difference', () => {
  const [a, b] = [sampleService({ name: 'a', port: 1 }), sampleService({ name: 'b', port: 2 })];
  assert.deepEqual(haproxyConfig([a, b], settings), haproxyConfig([b, a], settings));
});

test('a body in chunks is counted only where it fits into the buffer', () => {
  const count = (maxBodyBytes: number): number =>
    haproxyConfig([sampleService({ maxBodyBytes })], settings).text.split('deny_status 413').length - 1;
  assert.deepEqual([count(bufferBytes - 1), count(bufferBytes)], [2, 1]);
});

test('a frontend tells where it listens, over IPv6 too', () => {
  for (const place of [
    { host: '127.0.0.1', port: 80 },
    { host: '::', port: 8080 },
  ])
    assert.deepEqual(placeOfFrontend(frontendName({ name: 'web-1', ...place })), place);
  const { text } = haproxyConfig([sampleService({ host: '::', servers: [sampleServer({ host: '::1' })] })], settings);
  assert.match(text, /bind \[::\]:8080\n/);
  assert.match(text, /server successor \[::1\]:8080 weight 0\n/);
  assert.match(text, /server a:::1:9001 \[::1\]:9001\n/);
});
