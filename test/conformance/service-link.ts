import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { AgentAddress } from '../../src/domain/agent-link.ts';
import { type ErrorCode, hasCode, TidepoolError } from '../../src/domain/errors.ts';
import type { ServiceLink } from '../../src/domain/service-link.ts';
import type { ServiceSpec } from '../../src/protocol/agent-service.ts';
import { textFiles } from '../support/attempts.ts';
import { until } from '../support/poll.ts';
import {
  memoryStore,
  nextRevision,
  serviceSpec,
  serviceTexts,
  startService,
  untilStarted,
} from '../support/services.ts';

export interface ServicesUnderTest {
  readonly link: ServiceLink;
  readonly agent: AgentAddress;
  dispose(): Promise<void>;
}

/** What a handler wrote before it served is there a moment later. */
const textLimitMs = 60_000;
const serves = "def handler(request):\n    return 'ok'\n";
const hangs = `import time\ntime.sleep(600)\n\n\n${serves}`;
const asks = `from tidepool import store\nstore.put('greeting', 'hello')\nprint(store.get('greeting').decode())\n\n\n${serves}`;

/**
 * What every ServiceLink must do. The handlers keep to the few statements that the fake understands
 * (fake/handler-script.ts); what only a real agent can show is in test/agent and test/security.
 * @param open one VM for all cases; they leave it as they found it
 */
export function serviceLinkConformance(name: string, open: () => Promise<ServicesUnderTest>): void {
  let subject: ServicesUnderTest;
  before(async () => {
    subject = await open();
  });
  after(() => subject.dispose());

  const check = (title: string, body: (link: ServiceLink, agent: AgentAddress) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      const { link, agent } = subject;
      try {
        await body(link, agent);
      } finally {
        for (const { id } of await link.services(agent)) await link.removeService(agent, id);
      }
    });
  };

  check('a handler is started and reported until it is removed', async (link, agent) => {
    const spec = serviceSpec();
    const report = await startService(link, agent, spec, serves);
    const counts = { restarts: 0, inFlight: 0, requests: 0, errors: 0 };
    assert.deepEqual(report, { id: spec.id, port: 8000, state: 'serving', message: '', traceback: '', ...counts });
    assert.deepEqual(await link.services(agent), [report]);
    await link.removeService(agent, spec.id);
    assert.deepEqual(await link.services(agent), []);
    await rejects(link.serviceReport(agent, spec.id), 'not_found');
  });

  check('of a command it is not known how many requests it works on', async (link, agent) => {
    const spec = serviceSpec({ entry: { kind: 'command', argv: ['python3', '-m', 'http.server', '8000'] } });
    const { state, inFlight, requests, errors } = await startService(link, agent, spec);
    assert.deepEqual([state, inFlight, requests, errors], ['serving', null, null, null]);
  });

  check('a handler that does not import has failed, with its traceback', async (link, agent) => {
    const spec = serviceSpec();
    const report = await startService(link, agent, spec, "raise ValueError('broken')\n");
    assert.equal(report.state, 'failed');
    assert.notEqual(report.message, '');
    assert.match(report.traceback, /^Traceback [\s\S]*app\.py", line 1[\s\S]*ValueError: broken/);
  });

  check('a file without a handler has failed', async (link, agent) => {
    const { state, message } = await startService(link, agent, serviceSpec(), 'x = 1\n');
    assert.equal(state, 'failed');
    assert.match(message, /handler/);
  });

  check('a command that ends again and again has failed', async (link, agent) => {
    const spec = serviceSpec({ entry: { kind: 'command', argv: ['false'] } });
    const report = await startService(link, agent, spec);
    assert.equal(report.state, 'failed');
    assert.match(report.message, /ended with exit code 1/);
    assert.equal(report.restarts, 2);
  });

  check('what hangs as it starts is starting, and can be removed', async (link, agent) => {
    const spec = serviceSpec();
    await link.startService(agent, spec, textFiles({ 'app.py': hangs }));
    assert.equal((await link.serviceReport(agent, spec.id, 300)).state, 'starting');
    const held = link.serviceReport(agent, spec.id, 30_000);
    held.catch(() => undefined);
    await link.removeService(agent, spec.id);
    assert.deepEqual(await link.services(agent), []);
    assert.equal((await held).state, 'starting', 'who waited for it is told at once');
  });

  check('starting is idempotent by id', async (link, agent) => {
    const spec = serviceSpec();
    const start = () => link.startService(agent, spec, textFiles({ 'app.py': serves }));
    const reports = await Promise.all([start(), start()]);
    assert.deepEqual(
      reports.map(({ id }) => id),
      [spec.id, spec.id],
    );
    await untilStarted(link, agent, spec.id);
    assert.equal((await start()).state, 'serving');
    assert.equal((await link.services(agent)).length, 1);
  });

  check('a new revision runs beside the old one, on the other port', async (link, agent) => {
    const spec = serviceSpec();
    const next = nextRevision(spec);
    const states = [await startService(link, agent, spec, serves), await startService(link, agent, next, serves)];
    assert.deepEqual(
      states.map(({ id, port, state }) => [id, port, state]),
      [
        [spec.id, 8000, 'serving'],
        [next.id, 8001, 'serving'],
      ],
    );
    await link.removeService(agent, spec.id);
    assert.equal((await link.serviceReport(agent, next.id)).state, 'serving');
  });

  check('a port that is held, and another service, are a conflict', async (link, agent) => {
    const spec = serviceSpec();
    const start = (other: ServiceSpec) => link.startService(agent, other, textFiles({ 'app.py': serves }));
    await start(spec);
    await rejects(start(nextRevision(spec, { port: 8000 })), 'conflict');
    await rejects(start(serviceSpec({ port: 8001 })), 'conflict');
    assert.equal((await link.services(agent)).length, 1);
  });

  check('what cannot be started leaves nothing', async (link, agent) => {
    const files = () => textFiles({ 'app.py': serves });
    await rejects(link.startService(agent, serviceSpec({ runtime: 'cobol' }), files()), 'not_found');
    const missing = serviceSpec({ entry: { kind: 'handler', file: 'other.py' } });
    await rejects(link.startService(agent, missing, files()), 'invalid');
    assert.deepEqual(await link.services(agent), []);
  });

  check('an unknown service is not found', async (link, agent) => {
    await rejects(link.serviceReport(agent, 'unknown-1'), 'not_found');
    await rejects(link.removeService(agent, 'unknown-1'), 'not_found');
    await rejects(link.serviceOutput(agent, 'unknown-1', 0), 'not_found');
  });

  check('a wrong key is unavailable', async (link, agent) => {
    const stranger = { ...agent, key: new Uint8Array(32).fill(9) };
    await rejects(link.services(stranger), 'unavailable');
    await rejects(link.serveStore(stranger, memoryStore().answer, new AbortController().signal), 'unavailable');
  });

  check('a caller that gives up is aborted', async (link, agent) => {
    await rejects(link.serviceReport(agent, 'any-1', 0, AbortSignal.abort()), 'aborted');
  });

  check(
    'the store answers handlers, who wait while nobody serves it; then their output is there',
    async (link, agent) => {
      const spec = serviceSpec();
      await link.startService(agent, spec, textFiles({ 'app.py': asks }));
      assert.equal((await link.serviceReport(agent, spec.id, 1_000)).state, 'starting');
      const store = memoryStore();
      const stop = new AbortController();
      const serving = link.serveStore(agent, store.answer, stop.signal);
      assert.equal((await untilStarted(link, agent, spec.id)).state, 'serving');
      assert.deepEqual(
        store.seen.map(({ op, key }) => [op, key]),
        [
          ['put', 'greeting'],
          ['get', 'greeting'],
        ],
      );
      assert.equal(store.values.get('greeting'), btoa('hello'));
      stop.abort();
      await serving;
      await until(
        () => serviceTexts(link, agent, spec.id),
        ({ stdout }) => stdout === 'hello\n',
        textLimitMs,
      );
      const whole = await link.serviceOutput(agent, spec.id, 0);
      const rest = await link.serviceOutput(agent, spec.id, 5);
      assert.equal(rest.offset, 5);
      assert.deepEqual(Buffer.from(rest.bytes), Buffer.from(whole.bytes).subarray(5));
      await rejects(link.serviceOutput(agent, spec.id, 1_000_000), 'invalid');
    },
  );

  check('whoever serves the store last takes the place of the one before', async (link, agent) => {
    const stop = new AbortController();
    const spec = serviceSpec();
    const stores = [memoryStore(), memoryStore()] as const;
    const first = link.serveStore(agent, stores[0].answer, stop.signal);
    await startService(link, agent, spec, asks);
    const second = link.serveStore(agent, stores[1].answer, stop.signal);
    await first;
    assert.equal((await startService(link, agent, nextRevision(spec), asks)).state, 'serving');
    assert.deepEqual(
      stores.map(({ seen }) => seen.length),
      [2, 2],
    );
    stop.abort();
    await second;
  });

  check('a store that fails ends it with its error, and what was asked is asked again', async (link, agent) => {
    const spec = serviceSpec();
    await link.startService(agent, spec, textFiles({ 'app.py': asks }));
    const full = async (): Promise<never> => {
      throw new TidepoolError('exhausted', 'the store is full');
    };
    await rejects(link.serveStore(agent, full, new AbortController().signal), 'exhausted');
    const stop = new AbortController();
    const serving = link.serveStore(agent, memoryStore().answer, stop.signal);
    assert.equal((await untilStarted(link, agent, spec.id)).state, 'serving');
    stop.abort();
    await serving;
  });

  check('serving the store for nobody ends at once', async (link, agent) => {
    await link.serveStore(agent, memoryStore().answer, AbortSignal.abort());
  });
}

function rejects(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  return assert.rejects(promise, (error) => {
    assert.ok(hasCode(error, code), `${String(error)} is not ${code}`);
    return true;
  });
}
