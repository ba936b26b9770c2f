import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../clock/system-clock.ts';
import { hasCode, TidepoolError } from '../domain/errors.ts';
import { commandRunner } from './command.ts';

const run = commandRunner(systemClock);

test('stdout is returned, input and environment reach the program', async () => {
  const script = 'cat; echo " $WORD $HOME"';
  const environment = { WORD: 'w' };
  const out = await run({ program: 'sh', args: ['-c', script], input: 'in', environment, stdout: 'keep' });
  assert.equal(out, 'in w \n');
});

test('lines come as they are printed, from both streams', async () => {
  const lines: string[] = [];
  await run({ program: 'sh', args: ['-c', 'echo out; echo err >&2'], onLine: (line) => lines.push(line) });
  assert.deepEqual(lines.sort(), ['err', 'out']);
});

test('a failure quotes the last lines that matter', async () => {
  const script = 'for i in $(seq 100); do echo "noise $i"; done; echo reason >&2; exit 3';
  const failing = run({ program: 'sh', args: ['-c', script], isNoise: (line) => line.startsWith('noise') });
  await assert.rejects(failing, (error) => {
    assert.ok(hasCode(error, 'upstream'));
    assert.equal(error.message, 'sh ended with exit code 3:\nreason');
    return true;
  });
});

test('an input that fails stops the program and is what is thrown; one that is not read is no failure', async () => {
  const broken = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from('x');
    throw new TidepoolError('invalid', 'broken on the way');
  };
  const failing = run({ program: 'sh', args: ['-c', 'exec sleep 1000'], input: broken() });
  await assert.rejects(failing, (error) => hasCode(error, 'invalid'));
  const long = async function* (): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 100; i += 1) yield Buffer.alloc(65_536);
  };
  await run({ program: 'true', args: [], input: long() });
  assert.equal(await run({ program: 'wc', args: ['-c'], input: long(), stdout: 'keep' }), '6553600\n');
});

test('a program that is not there is named', async () => {
  const failing = run({ program: 'no-such-program', args: [] });
  await assert.rejects(failing, (error) => hasCode(error, 'not_found') && error.message.includes('no-such-program'));
});

test('an abort ends the program, also before its start', async () => {
  const giveUp = new AbortController();
  const stoppable = commandRunner(systemClock, giveUp.signal);
  const running = stoppable({ program: 'sh', args: ['-c', 'echo up; exec sleep 1000'], onLine: () => giveUp.abort() });
  await assert.rejects(running, (error) => hasCode(error, 'aborted'));
  await assert.rejects(stoppable({ program: 'true', args: [] }), (error) => hasCode(error, 'aborted'));
});
