import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';

const script = `
  const { watchInterrupts } = await import(${JSON.stringify(new URL('./interrupt.ts', import.meta.url).href)});
  const { first, firstCame } = watchInterrupts(() => console.log('second'));
  first.addEventListener('abort', () => console.log('first'));
  console.log('watches');
  setInterval(() => {}, 1000);
  await firstCame;
  // The end of the first goes wrong, and something still holds the process.
  await Promise.reject(new Error('the drain failed')).catch(() => { process.exitCode = 1; });`;

test('a second signal ends a process at once, also when the end that the first began has failed', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  const says = async (word: string): Promise<void> => {
    while (!text.includes(word)) text += String((await once(child.stdout, 'data'))[0]);
  };
  await says('watches');
  child.kill('SIGTERM');
  await says('first');
  assert.equal(child.exitCode, null);
  child.kill('SIGINT');
  const [code] = await once(child, 'exit');
  assert.equal(code, 130);
});
