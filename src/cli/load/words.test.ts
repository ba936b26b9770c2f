import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Command, helpText, parseCommand } from './words.ts';

test('the words of the console', () => {
  const words: [line: string, command: Command][] = [
    ['', { kind: 'nothing' }],
    ['   ', { kind: 'nothing' }],
    ['low', { kind: 'mode', mode: 'low' }],
    [' HIGH ', { kind: 'mode', mode: 'high' }],
    ['mid', { kind: 'mode', mode: 'mid' }],
    ['custom 0.3', { kind: 'every', everyMs: 300 }],
    ['custom .5', { kind: 'every', everyMs: 500 }],
    ['0.25', { kind: 'every', everyMs: 250 }],
    ['2', { kind: 'every', everyMs: 2_000 }],
    ['off', { kind: 'off' }],
    ['+ 127.0.0.1 8000', { kind: 'add', host: '127.0.0.1', port: 8000 }],
    ['-  ::1   65535', { kind: 'remove', host: '::1', port: 65_535 }],
    ['servers', { kind: 'servers' }],
    ['clear_servers', { kind: 'clear' }],
    ['refresh', { kind: 'refresh' }],
    ['help', { kind: 'help' }],
    ['exit', { kind: 'exit' }],
    ['terminate', { kind: 'exit' }],
  ];
  for (const [line, command] of words) assert.deepEqual(parseCommand(line), command, line);
});

test('what is wrong is said', () => {
  const lines: [line: string, problem: RegExp][] = [
    ['custom -1', /from 0.00001 to 86400 seconds, not -1/],
    ['-1', /not -1/],
    ['custom 0', /not 0/],
    ['custom 1e9', /"1e9" is not a number/],
    ['99999999', /not 99999999/],
    ['custom abc', /"abc" is not a number of seconds/],
    ['custom', /custom 0\.3/],
    ['custom 1 2', /custom 0\.3/],
    ['0.3x', /"0.3x" is not a number/],
    ['+ 1.2.3 x', /"1.2.3" is not an IP address/],
    ['+ 1.2.3.4 x', /"x" is not a port/],
    ['+ 1.2.3.4 0', /"0" is not a port/],
    ['+ 1.2.3.4 70000', /"70000" is not a port/],
    ['+ 1.2.3.4', /\+ 127\.0\.0\.1 8000/],
    ['- 1.2.3.4 80 90', /- 127\.0\.0\.1 8000/],
    ['+1.2.3.4 80', /is not known/],
    ['low 3', /low stands alone/],
    ['exit now', /exit stands alone/],
    ['hihg', /"hihg" is not known; see: help/],
    ['constructor', /"constructor" is not known/],
    [`x${'y'.repeat(2_000)}`, /more than 1000 characters/],
  ];
  for (const [line, problem] of lines) {
    const command = parseCommand(line);
    assert.equal(command.kind, 'wrong', line);
    assert.match(command.kind === 'wrong' ? command.problem : '', problem, line);
  }
});

test('no line brings it down, and help names every word', () => {
  fc.assert(fc.property(fc.string(), (line) => void parseCommand(line)));
  for (const word of ['low', 'mid', 'high', 'custom', 'off', '+ IP', '- IP', 'clear_servers', 'servers', 'refresh']) {
    assert.ok(helpText.includes(word));
  }
});
