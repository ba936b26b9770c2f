import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { FakeClock } from '../fake/clock.ts';
import { LineLog } from './line-log.ts';

const run = promisify(execFile);
const url = (file: string): string => JSON.stringify(new URL(file, import.meta.url).href);

test('lines that cannot be written are counted, and their number comes first when writing works again', () => {
  let failure: Error | null = null;
  let waiting = 0;
  let text = '';
  const sink = {
    get writableLength() {
      return waiting;
    },
    write(piece: string, done: (error?: Error | null) => void) {
      if (failure === null) text += piece;
      done(failure);
    },
  };
  const log = new LineLog(sink, new FakeClock(0), 'worker: ');
  log.print('one');
  failure = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  log.print('two');
  log.print('three');
  failure = null;
  waiting = 100 * 1024 ** 2;
  log.print('four');
  waiting = 0;
  log.print('five');
  log.print('six');
  assert.deepEqual(text.trimEnd().split('\n'), [
    '00:00:00.000 worker: one',
    '00:00:00.000 worker: 3 lines of this log could not be written (nobody reads it)',
    '00:00:00.000 worker: five',
    '00:00:00.000 worker: six',
  ]);
});

test('a file that takes a part of a line is gone on with on a line of its own', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-log-'));
  const script = `
    const { LineLog, standardErrorSink } = await import(${url('./line-log.ts')});
    const { systemClock } = await import(${url('../clock/system-clock.ts')});
    const { truncateSync } = await import('node:fs');
    const log = new LineLog(standardErrorSink(process.stderr), systemClock);
    for (let i = 0; i < 200; i += 1) log.print('x'.repeat(100));
    truncateSync(process.argv[1], 50);
    log.print('again');`;
  try {
    // The largest file of the process is smaller than the log: a full disk that needs no disk.
    const words = ['-c', 'ulimit -f 8; exec "$0" --input-type=module -e "$1" "$2" 2>>"$2"', process.execPath, script];
    await run('sh', [...words, join(folder, 'log')]);
    const lines = (await readFile(join(folder, 'log'), 'utf8')).trimEnd().split('\n');
    assert.match(lines[1] ?? '', /^\S+ \d+ lines of this log could not be written \(EFBIG\)$/);
    assert.match(lines[2] ?? '', /^\S+ again$/);
    assert.equal(lines.length, 3);
  } finally {
    await rm(folder, { recursive: true });
  }
});
