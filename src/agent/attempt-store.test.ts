import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { newReport } from '../protocol/agent.ts';
import { encodeFrame } from '../protocol/output-frames.ts';
import { AttemptStore } from './attempt-store.ts';
import { removeTree } from './remove-tree.ts';

test('attempts outlive the agent: those with a record and a log are found, what is left of others is removed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-attempts-'));
  try {
    const [records, logs] = [join(folder, 'records'), join(folder, 'logs')];
    const store = new AttemptStore(records, logs);
    assert.deepEqual(await store.load(), []);
    for (const [index, id] of ['a-1', 'b-1'].entries()) {
      const frame = encodeFrame({ stream: 'stdout', atMs: index, data: Buffer.from('whole') });
      await writeFile(store.logPath(id), Buffer.concat([frame, frame.subarray(0, frame.length - 1)]));
      store.save({ report: newReport(id), place: { slotNumber: index, workPath: '/w' }, diskBytes: 5 });
    }
    store.save({
      report: { ...newReport('b-1'), state: 'ended', outcome: 'lost', outputLogBytes: 16 },
      place: null,
      diskBytes: 5,
    });
    store.save({ report: newReport('no-log'), place: null, diskBytes: 5 });
    await writeFile(join(records, 'b-1.json.new'), '{');
    await writeFile(join(records, 'cut.jsonl'), '{"report":');
    await writeFile(join(logs, 'no-record.log'), 'x');
    await mkdir(join(records, 'a-folder', 'of-an-older-agent'), { recursive: true });
    const found = await new AttemptStore(records, logs).load();
    const told = found.map(({ record, logBytes }) => [
      record.report.id,
      record.report.state,
      record.place?.slotNumber,
      logBytes,
    ]);
    assert.deepEqual(told.sort(), [
      ['a-1', 'preparing', 0, 16],
      ['b-1', 'ended', undefined, 16],
    ]);
    assert.deepEqual((await readdir(records)).sort(), ['a-1.jsonl', 'b-1.jsonl']);
    await store.remove('a-1');
    assert.deepEqual([await readdir(records), await readdir(logs)], [['b-1.jsonl'], ['b-1.log']]);
  } finally {
    await removeTree(folder);
  }
});
