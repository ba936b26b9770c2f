import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { ReadStream, WriteStream } from 'node:tty';
import { Tally } from '../../loadgen/tally.ts';
import { plainDisplay, type Streams, terminalDisplay } from './display.ts';
import type { LoadView } from './status.ts';

function view(pace: string): LoadView {
  const tally = new Tally(0);
  const [recent, total] = [tally.takeRecent(1_000), tally.totals(1_000)];
  return { service: 'fib', protocol: 'udp', pace, atMs: 0, recent, total, inFlight: 0, servers: 1 };
}

/** What a terminal shows after this output: as much of xterm as is used here. */
function screen(output: string): string[] {
  const rows: string[] = [''];
  let [row, column] = [0, 0];
  for (const [token, count = '', kind] of output.matchAll(/\x1b\[([\d;?]*)([A-Za-z])|[\s\S]/g)) {
    const line = rows[row] ?? '';
    if (kind === 'A') row = Math.max(0, row - Number(count || 1));
    else if (kind === 'G') column = Number(count || 1) - 1;
    else if (kind === 'J') rows.splice(row, rows.length, line.slice(0, column));
    else if (kind === 'K') rows[row] = line.slice(0, column);
    else if (token === '\r') column = 0;
    else if (token === '\n') {
      row += 1;
      column = 0;
      rows[row] ??= '';
    } else if (kind === undefined) {
      rows[row] = line.slice(0, column).padEnd(column) + token + line.slice(column + 1);
      column += 1;
    }
  }
  return rows.map((line) => line.trimEnd());
}

function terminal() {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  let output = '';
  stdout.on('data', (chunk) => {
    // A terminal begins each new line at its left.
    output += String(chunk).replace(/\r?\n/g, '\r\n');
  });
  Object.assign(stdin, { isTTY: true, setRawMode: () => undefined });
  Object.assign(stdout, { isTTY: true, columns: 80, rows: 24 });
  const streams: Streams = {
    stdin: stdin as unknown as ReadStream,
    stdout: stdout as unknown as WriteStream,
    stderr: stdout as unknown as WriteStream,
  };
  return { streams, stdin, output: () => output, rows: () => screen(output) };
}

test('status below what was said, the prompt below the status, and what is being typed stays', async () => {
  const { streams, stdin, rows } = terminal();
  const lines: string[] = [];
  const display = terminalDisplay(streams, true, { onLine: (line) => lines.push(line), onLeave: () => undefined });
  display.show(view('off'));
  stdin.write('hi');
  await setImmediate();
  display.say('fib-0001 is launching');
  display.show(view('low'));
  assert.deepEqual(rows(), [
    'fib-0001 is launching',
    'low  0.0/s ok  failed 0  in flight 0  ok 0',
    'per server  -',
    'load> hi',
  ]);
  stdin.write('gh\r');
  await setImmediate();
  display.warn('no');
  assert.deepEqual(lines, ['high']);
  assert.deepEqual(rows().slice(0, 3), ['fib-0001 is launching', 'load> high', 'no']);
  assert.deepEqual(rows().slice(-2), ['per server  -', 'load>']);
  display.close();
  display.close();
  display.say('too late');
  assert.deepEqual(rows().slice(-2), ['per server  -', '']);
});

for (const [name, key] of [
  ['Ctrl-C', '\x03'],
  ['Ctrl-D', '\x04'],
] as const) {
  test(`${name} leaves`, async () => {
    const { streams, stdin } = terminal();
    let left = 0;
    const display = terminalDisplay(streams, false, {
      onLine: () => undefined,
      onLeave: () => {
        left += 1;
      },
    });
    stdin.write(key);
    await setImmediate();
    assert.ok(left >= 1);
    display.close();
  });
}

test('on a terminal without a console there is no prompt', () => {
  const { streams, rows } = terminal();
  const display = terminalDisplay(streams, false, undefined);
  display.show(view('low'));
  display.show(view('high'));
  display.close();
  assert.deepEqual(rows(), ['high  0.0/s ok  failed 0  in flight 0  ok 0', 'per server  -', '']);
});

test('in a pipe nothing is said while nothing happens', () => {
  const { streams, output } = terminal();
  const display = plainDisplay(streams);
  display.show(view('off'));
  assert.equal(output(), '');
  display.show({ ...view('low'), inFlight: 3 });
  assert.match(output(), /^00:00:00 {2}low {2}0.0\/s ok {2}in flight 3/);
});
