import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lineText } from './line-text.ts';

const shown = (line: string): string => lineText(Buffer.from(line));

test('escapes of a terminal are left out', () => {
  assert.equal(shown('\u001b[1;31mred\u001b[0m text'), 'red text');
  assert.equal(shown('\u001b]0;a title\u0007text\u001b]8;;http://x\u001b\\link'), 'textlink');
  assert.equal(shown('\u001b[2J\u001b[Htext\u001b(B'), 'text');
});

test('of what was written over, the last is shown', () => {
  assert.equal(shown(' 10 %\r 50 %\r100 %'), '100 %');
  assert.equal(shown('done\r'), 'done');
});

test('what would act unseen is made visible', () => {
  assert.equal(shown('a\u0000b\u0008c'), 'a␀b␈c');
  assert.equal(shown('user\u202etxt.exe'), 'user\\u202etxt.exe');
  assert.equal(shown('\u001b'), '␛');
  assert.equal(shown('tab\tstays, as do ünïcödé and 漢字'), 'tab\tstays, as do ünïcödé and 漢字');
});

test('bytes that are no text do not break it', () => {
  assert.equal(lineText(Uint8Array.of(0x61, 0xff, 0x62)), 'a\ufffdb');
});
