import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BalancedService } from '../domain/balancer.ts';
import { hasCode } from '../domain/errors.ts';
import { checkServices } from './check.ts';
import { haproxyConfig } from './config.ts';
import { sampleServer, sampleService } from './service.fake.ts';

const refused = (service: BalancedService): void =>
  assert.throws(
    () => checkServices([service]),
    (error) => hasCode(error, 'invalid'),
    JSON.stringify(service),
  );

test('what is ordinary passes', () => {
  checkServices([]);
  const v6 = { host: '::1', servers: [sampleServer({ host: 'fe80::1', port: 65_535 })] };
  checkServices([sampleService(), sampleService({ name: 'w', port: 81, protocol: 'tcp', healthPath: null, ...v6 })]);
});

test('what would be a setting of its own in the configuration, or cannot work, is invalid', () => {
  for (const name of ['', 'Web', 'a b', 'a\nbind :1', 'x'.repeat(65), 'GLOBAL', 'a/b', 'a:b', '-a'])
    refused(sampleService({ name }));
  for (const host of ['localhost', '', '127.0.0.1:1', 'fe80::1%eth0', '1.2.3.4 # x']) {
    refused(sampleService({ host }));
    refused(sampleService({ servers: [sampleServer({ host })] }));
  }
  for (const port of [0, 65_536, 1.5, Number.NaN]) {
    refused(sampleService({ port }));
    refused(sampleService({ servers: [sampleServer({ port })] }));
  }
  for (const name of ['', 'a b', 'a;b', 'a\n', 'a:1', '#a'])
    refused(sampleService({ servers: [sampleServer({ name })] }));
  for (const healthPath of ['', 'x', "/'", '/ x', '/\n', '/$HOME', '/"', '/#', '/%[src]', '/\\'])
    refused(sampleService({ healthPath }));
  for (const value of [-1, 0, 0.5, 2 ** 31, Number.NaN]) {
    refused(sampleService({ requestTimeoutMs: value }));
    refused(sampleService({ maxPerServer: value }));
  }
  refused(sampleService({ maxBodyBytes: -1 }));
  refused(sampleService({ servers: [sampleServer(), sampleServer({ port: 2 })] }));
  assert.throws(
    () => checkServices([sampleService(), sampleService({ port: 1 })]),
    (error) => hasCode(error, 'invalid'),
  );
});

test('two services with one port are a conflict that names the second', () => {
  const isNamed = (error: unknown): boolean => hasCode(error, 'conflict') && error.details.service === 'b';
  const a = sampleService({ name: 'a' });
  assert.throws(() => checkServices([a, sampleService({ name: 'b' })]), isNamed);
  assert.throws(() => checkServices([a, sampleService({ name: 'b', host: '0.0.0.0' })]), isNamed);
  checkServices([a, sampleService({ name: 'b', host: '127.0.0.2' })]);
});

test('whatever passes adds no line to the configuration', () => {
  const settings = { holdScript: '/x', threads: 1, waitMs: 1, account: null };
  const lines = (service: BalancedService): number => haproxyConfig([service], settings).text.split('\n').length;
  const expected = lines(sampleService());
  const text = fc.string({ unit: 'grapheme', maxLength: 12 });
  fc.assert(
    fc.property(text, text, text, text, (name, host, healthPath, server) => {
      const service = sampleService({ name, host, healthPath, servers: [sampleServer({ name: server })] });
      for (const one of [
        service,
        { ...service, name: 'a' },
        { ...service, host: '::1' },
        sampleService({ healthPath }),
      ]) {
        try {
          checkServices([one]);
        } catch {
          continue;
        }
        assert.equal(lines(one), expected);
      }
    }),
  );
});
