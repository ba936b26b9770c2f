import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../clock/system-clock.ts';
import { ApiClient } from './client.ts';
import { FakeCloud } from './load/cloud.fake.ts';
import { type EndpointOptions, watchEndpoints } from './service-endpoints.ts';

const at = (vm: string, port: number) => ({ vm, host: '127.0.0.1', port });

/** Follows a service; `next` gives the next line. */
async function following(options: EndpointOptions) {
  const cloud = new FakeCloud({ name: 'fib', protocol: 'http', address: { host: '127.0.0.1', port: 8_100 } });
  await cloud.listen();
  cloud.endpoints = [at('a', 1)];
  const stopping = new AbortController();
  const lines: string[] = [];
  const trouble: (string | null)[] = [];
  let wake = (): void => undefined;
  const watching = watchEndpoints(
    {
      service: 'fib',
      clock: systemClock,
      signal: stopping.signal,
      connect: async () => ({ client: new ApiClient({ url: cloud.url, token: null }) }),
    },
    options,
    (line) => {
      lines.push(line);
      wake();
    },
    (problem) => trouble.push(problem),
  );
  return {
    cloud,
    trouble,
    async next(): Promise<string> {
      while (lines.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return lines.shift() ?? '';
    },
    async end(): Promise<void> {
      stopping.abort();
      await watching;
      await cloud.close();
      assert.deepEqual(lines, []);
    },
  };
}

test('as commands there are lines for the console of the load client, and no others', async () => {
  const { cloud, next, end } = await following({ commands: true });
  assert.equal(await next(), '+ 127.0.0.1 1');
  cloud.tell('launching', { vm: 'b' });
  cloud.tell('added', at('b', 2));
  assert.equal(await next(), '+ 127.0.0.1 2');
  cloud.tell('failed', { vm: 'a', reason: 'it hangs' });
  cloud.tell('removed', { ...at('a', 1), reason: 'it hangs' });
  assert.equal(await next(), '- 127.0.0.1 1');
  await end();
});

test('after a lost connection only what has changed meanwhile is told', async () => {
  const { cloud, next, end, trouble } = await following({ commands: true });
  assert.equal(await next(), '+ 127.0.0.1 1');
  cloud.endpoints = [at('b', 2)];
  cloud.breakStreams();
  assert.equal(await next(), '+ 127.0.0.1 2');
  assert.equal(await next(), '- 127.0.0.1 1');
  assert.deepEqual([trouble.length, trouble.at(-1)], [2, null]);
  await end();
});

test('for people and for programs everything is told; what a guest says cannot steer the terminal', async () => {
  const text = await following({});
  assert.equal(await text.next(), 'added a 127.0.0.1:1');
  text.cloud.tell('launching', { vm: 'b' });
  assert.equal(await text.next(), 'launching b');
  text.cloud.tell('failed', { vm: 'a', reason: 'it hangs\u001b[2J' });
  assert.equal(await text.next(), 'failed a: it hangs?[2J');
  await text.end();
  const json = await following({ json: true });
  assert.deepEqual(JSON.parse(await json.next()), { event: 'added', ...at('a', 1) });
  json.cloud.tell('removed', { ...at('a', 1), reason: 'gone' });
  assert.deepEqual(JSON.parse(await json.next()), { event: 'removed', reason: 'gone', ...at('a', 1) });
  await json.end();
});

test('an endpoint that is no address is not handed to other programs', async () => {
  const { cloud, next, end, trouble } = await following({ commands: true });
  assert.equal(await next(), '+ 127.0.0.1 1');
  cloud.tell('added', { vm: 'b', host: '1.2.3.4 1\nexit', port: 2 });
  cloud.endpoints = [at('a', 1), at('c', 3)];
  assert.equal(await next(), '+ 127.0.0.1 3', 'the connection was broken off and begun anew');
  assert.match(trouble[0] ?? '', /without an address/);
  await end();
});
