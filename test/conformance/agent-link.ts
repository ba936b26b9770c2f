import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/clock/system-clock.ts';
import type { AgentAddress, AgentLink } from '../../src/domain/agent-link.ts';
import { hasCode } from '../../src/domain/errors.ts';
import { FrameDecoder } from '../../src/protocol/output-frames.ts';
import {
  attemptSpec,
  collect,
  readOutput,
  readToEnd,
  runScript,
  startAttempt,
  textFiles,
} from '../support/attempts.ts';

export interface AgentUnderTest {
  readonly link: AgentLink;
  readonly agent: AgentAddress;
  dispose(): Promise<void>;
}

/**
 * What every AgentLink must do. The scripts keep to the few statements that the fake understands (fake/agent-link.ts);
 * what only a real agent can show is in test/agent and test/security.
 * @param open one agent for all cases; they leave it as they found it
 */
export function agentLinkConformance(name: string, open: () => Promise<AgentUnderTest>): void {
  let subject: AgentUnderTest;
  before(async () => {
    subject = await open();
  });
  after(() => subject.dispose());

  const check = (title: string, body: (link: AgentLink, agent: AgentAddress) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      await body(subject.link, subject.agent);
      assert.deepEqual(await subject.link.attempts(subject.agent), [], 'the case left an attempt behind');
    });
  };

  check('health tells what the VM has', async (link, agent) => {
    const health = await link.health(agent);
    assert.ok(health.runtimes.includes('python'));
    assert.ok(health.capacity.memoryBytes > 0 && health.capacity.cpus > 0 && health.capacity.diskBytes > 0);
    assert.equal(health.runningAttempts, 0);
    const later = await link.health(agent);
    assert.equal(later.bootId, health.bootId);
    assert.ok(later.uptimeMs >= health.uptimeMs);
  });

  check('a wrong key is unavailable', async (link, agent) => {
    const stranger = { ...agent, key: new Uint8Array(32).fill(9) };
    await assert.rejects(link.health(stranger), (error) => hasCode(error, 'unavailable'));
    const unknown = { ...agent, keyId: 'somebody-else' };
    await assert.rejects(link.health(unknown), (error) => hasCode(error, 'unavailable'));
  });

  check('stdout and stderr come apart, with the exit code', async (link, agent) => {
    const { report, stdout, stderr } = await runScript(
      link,
      agent,
      "import sys\nprint('o')\nprint('e', file=sys.stderr)\nsys.exit(3)\n",
    );
    assert.deepEqual([stdout, stderr], ['o\n', 'e\n']);
    assert.deepEqual([report.outcome, report.exitCode, report.signal], ['failed', 3, null]);
    assert.ok(report.startedAtMs !== null && report.endedAtMs !== null && report.endedAtMs >= report.startedAtMs);
  });

  check('files of ./out come back, others do not', async (link, agent) => {
    const script = "open('out/a.txt', 'w').write('hello')\nopen('b.txt', 'w').write('stays')\n";
    const { report, files } = await runScript(link, agent, script);
    assert.equal(report.outcome, 'succeeded', JSON.stringify(report));
    assert.deepEqual(files, { 'a.txt': 'hello' });
  });

  check('a syntax error is rejected with its place, and nothing runs', async (link, agent) => {
    const { report, stdout } = await runScript(link, agent, "print('never')\nprint('x' 1\n");
    assert.deepEqual([report.outcome, report.exitCode, report.startedAtMs, stdout], ['rejected', null, null, '']);
    assert.equal(report.syntaxProblem?.file, 'x.py');
    assert.equal(report.syntaxProblem?.line, 2);
    assert.equal(report.syntaxProblem?.text, "print('x' 1");
    assert.ok(report.syntaxProblem.column >= 1 && report.syntaxProblem.message !== '');
  });

  check('output is followed live, and again from any offset', async (link, agent) => {
    const spec = attemptSpec();
    await startAttempt(link, agent, spec, textFiles({ 'x.py': "import time\nprint('one')\ntime.sleep(600)\n" }));
    const decoder = new FrameDecoder();
    const stopLooking = new AbortController();
    let seen = '';
    const looking = async (): Promise<void> => {
      for await (const chunk of link.output(agent, spec.id, 0, { signal: stopLooking.signal })) {
        for (const frame of decoder.push(chunk)) seen += Buffer.from(frame.data).toString();
        if (seen === 'one\n') stopLooking.abort();
      }
    };
    await assert.rejects(looking(), (error) => hasCode(error, 'aborted'));
    assert.equal((await link.report(agent, spec.id)).state, 'running');
    const report = await link.stop(agent, spec.id);
    assert.deepEqual([report.state, report.outcome], ['ended', 'stopped']);
    const whole: Buffer[] = [];
    for await (const chunk of link.output(agent, spec.id, 0)) whole.push(Buffer.from(chunk));
    const log = Buffer.concat(whole);
    assert.equal(log.length, report.outputLogBytes);
    const rest: Buffer[] = [];
    for await (const chunk of link.output(agent, spec.id, 5)) rest.push(Buffer.from(chunk));
    assert.deepEqual(Buffer.concat(rest), log.subarray(5));
    await link.remove(agent, [spec.id]);
  });

  check('a started attempt is told to run, or has ended; the output ends with its last report', async (link, agent) => {
    const spec = attemptSpec();
    const files = textFiles({ 'x.py': 'import time\ntime.sleep(600)\n' });
    const { promise: isRunning, resolve: onRunning } = Promise.withResolvers<void>();
    const following = readToEnd(link.run(agent, spec, files, { onRunning }));
    await isRunning;
    assert.equal((await link.report(agent, spec.id)).state, 'running');
    const stopped = await link.stop(agent, spec.id);
    assert.equal(stopped.outcome, 'stopped');
    assert.deepEqual(await following, stopped);
    assert.deepEqual(await link.report(agent, spec.id), stopped);
    const runsNoMore = (): void => assert.fail('it has ended');
    assert.deepEqual(await readToEnd(link.output(agent, spec.id, 0, { onRunning: runsNoMore })), stopped);
    await link.remove(agent, [spec.id]);
  });

  check('a report tells in other than ASCII, and how many files there are', async (link, agent) => {
    const spec = attemptSpec({ entrypoint: 'größe.py' });
    const broken = await runScript(link, agent, "print('ü' 1\n", spec);
    assert.deepEqual(
      [broken.report.syntaxProblem?.file, broken.report.syntaxProblem?.text],
      ['größe.py', "print('ü' 1"],
    );
    const { report, files } = await runScript(link, agent, "open('out/a', 'w').write('1')\n");
    assert.deepEqual([report.producedFiles, Object.keys(files)], [1, ['a']]);
  });

  check('starting is idempotent by id', async (link, agent) => {
    const spec = attemptSpec();
    const files = () => textFiles({ 'x.py': "print('once')\n" });
    const reports = await Promise.all([
      startAttempt(link, agent, spec, files()),
      startAttempt(link, agent, spec, files()),
    ]);
    assert.deepEqual(
      reports.map((report) => report.id),
      [spec.id, spec.id],
    );
    assert.equal((await collect(link, agent, spec.id)).stdout, 'once\n');
    assert.equal((await startAttempt(link, agent, spec, files())).outcome, 'succeeded');
    assert.equal((await readOutput(link.output(agent, spec.id, 0))).stdout, 'once\n');
    await link.remove(agent, [spec.id]);
  });

  check('the time limit ends it', async (link, agent) => {
    const spec = attemptSpec({ limits: { timeoutMs: 500 } });
    const { report } = await runScript(link, agent, 'import time\ntime.sleep(600)\n', spec);
    assert.deepEqual([report.outcome, report.limitsHit], ['timed_out', ['time']]);
  });

  check('output beyond its limit is dropped, with one notice', async (link, agent) => {
    const spec = attemptSpec({ limits: { outputBytes: 1024 } });
    const { report, stdout, notice } = await runScript(link, agent, `print('${'x'.repeat(3000)}')\n`, spec);
    assert.deepEqual([report.outcome, report.outputTruncated, report.limitsHit], ['succeeded', true, ['output']]);
    assert.equal(stdout, 'x'.repeat(1024));
    assert.equal(notice.trim().split('\n').length, 1);
  });

  check('removing ends what runs', async (link, agent) => {
    const spec = attemptSpec();
    await startAttempt(link, agent, spec, textFiles({ 'x.py': 'import time\ntime.sleep(600)\n' }));
    assert.equal((await link.health(agent)).runningAttempts, 1);
    await link.remove(agent, [spec.id]);
    await assert.rejects(link.report(agent, spec.id), (error) => hasCode(error, 'not_found'));
  });

  check('files of what runs are a conflict, and an unknown attempt is not found', async (link, agent) => {
    const spec = attemptSpec();
    const unknown = (error: unknown) => hasCode(error, 'not_found');
    await startAttempt(link, agent, spec, textFiles({ 'x.py': 'import time\ntime.sleep(600)\n' }));
    const early = link.files(agent, spec.id, async () => undefined);
    await assert.rejects(early, (error) => hasCode(error, 'conflict'));
    await link.remove(agent, [spec.id]);
    await assert.rejects(link.report(agent, 'unknown'), unknown);
    await assert.rejects(link.stop(agent, 'unknown'), unknown);
    await link.remove(agent, ['unknown']);
    await assert.rejects(readOutput(link.output(agent, 'unknown', 0)), unknown);
    await assert.rejects(
      link.files(agent, 'unknown', async () => undefined),
      unknown,
    );
  });

  check('an unknown runtime and a missing script are refused', async (link, agent) => {
    const files = () => textFiles({ 'x.py': 'print(1)\n' });
    const other = attemptSpec({ runtime: 'cobol' });
    await assert.rejects(startAttempt(link, agent, other, files()), (error) => hasCode(error, 'not_found'));
    const missing = attemptSpec({ entrypoint: 'y.py' });
    await assert.rejects(startAttempt(link, agent, missing, files()), (error) => hasCode(error, 'invalid'));
    assert.equal((await link.report(agent, missing.id)).outcome, 'failed', "the job's own fault");
    await link.remove(agent, [missing.id]);
  });

  check('more files than the disk limit are too large', async (link, agent) => {
    const spec = attemptSpec({ limits: { diskBytes: 1024 * 1024 } });
    const files = textFiles({ 'x.py': 'print(1)\n', 'data/big': 'x'.repeat(2 * 1024 * 1024) });
    await assert.rejects(startAttempt(link, agent, spec, files), (error) => hasCode(error, 'too_large'));
    await link.remove(agent, [spec.id]);
  });

  check('a caller that gives up is aborted', async (link, agent) => {
    const signal = AbortSignal.abort();
    await assert.rejects(link.health(agent, signal), (error) => hasCode(error, 'aborted'));
  });

  check('the clock is set', async (link, agent) => {
    const aheadMs = 3_600_000;
    const ahead = { ...systemClock, now: () => systemClock.now() + aheadMs };
    for (const clock of [ahead, systemClock]) {
      const setAtMs = clock.now();
      await link.setClock(agent, clock);
      const { clockMs } = await link.health(agent);
      // Either call may take long on its way there or back.
      const offMs = [clockMs - setAtMs, clockMs - clock.now()] as const;
      assert.ok(offMs[0] > -2_000 && offMs[1] < 2_000, `${offMs.join(' to ')} ms off`);
    }
  });
}
