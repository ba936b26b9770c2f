import assert from 'node:assert/strict';
import { mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { craftZip } from '../../src/archive/craft.fake.ts';
import { zipReader } from '../../src/archive/zip.ts';
import { openBlobFolder } from '../../src/blobs/blob-folder.ts';
import { openLogFolder } from '../../src/blobs/log-folder.ts';
import type { BlobKeeper } from '../../src/domain/blob-store.ts';
import { hasCode, toTidepoolError } from '../../src/domain/errors.ts';
import type { JobSpec } from '../../src/domain/job.ts';
import { FakeAgentLink } from '../../src/fake/agent-link.ts';
import { FakeClock } from '../../src/fake/clock.ts';
import { emptySpec, queuedJob } from '../../src/fake/job.ts';
import { checkInputs, inputFiles } from '../../src/jobs/inputs.ts';
import { rerunJob } from '../../src/jobs/rerun.ts';
import { newReport } from '../../src/protocol/agent.ts';

const never = new AbortController().signal;
const clock = new FakeClock();

async function withBlobs(body: (blobs: BlobKeeper, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-damaged-'));
  try {
    await body(await openBlobFolder(join(folder, 'blobs'), clock), folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function* once(content: Buffer): AsyncGenerator<Uint8Array> {
  yield content;
}

/** What can become of a file: nothing is left, it is cut short, or one byte of it is another. */
const damages = {
  emptied: (path: string) => truncate(path, 0),
  'cut short': async (path: string) => truncate(path, (await readFile(path)).length - 40),
  'other by one byte': async (path: string) => {
    const content = await readFile(path);
    // In the content of a file of the archive, and in the middle of a script.
    const at = Math.max(content.indexOf('a,b'), content.indexOf('print'));
    content[at] = 0x58;
    await writeFile(path, content);
  },
  'longer by one byte': async (path: string) => {
    await using file = await open(path, 'a');
    await file.write('x');
  },
};

const script = Buffer.from(`# A script that is longer than what is cut off.\nprint('one')\n`);
const archive = craftZip([
  { name: 'main.py', content: script },
  { name: 'x.csv', content: 'a,b\n1,2\n'.repeat(20) },
]);

for (const [how, damage] of Object.entries(damages)) {
  test(`no worker gets a script, a project or a dataset whose file is ${how}, until its content is sent again`, () =>
    withBlobs(async (blobs) => {
      const { id: scriptBlob } = await blobs.put(once(script), 1_000);
      const { id: archiveBlob } = await blobs.put(once(archive), 10_000);
      const specs: readonly (readonly [JobSpec, string, Buffer])[] = [
        [{ ...emptySpec, scriptBlob }, scriptBlob, script],
        [{ ...emptySpec, source: 'project', scriptBlob: archiveBlob }, archiveBlob, archive],
        [{ ...emptySpec, scriptBlob, dataBlob: archiveBlob }, archiveBlob, archive],
      ];
      for (const [spec, id, content] of specs) {
        await checkInputs(spec, blobs, never);
        await damage(await blobs.path(id));
        await assert.rejects(checkInputs(spec, blobs, never), (error) => {
          const { message, details } = toTidepoolError(error);
          return details.damagedBlob === id && message.includes(id);
        });
        await blobs.put(once(content), 10_000);
        await checkInputs(spec, blobs, never);
      }
    }));
}

test('a script that is damaged after it was looked at breaks its upload off, so that the agent does not start it', () =>
  withBlobs(async (blobs) => {
    const link = new FakeAgentLink(clock);
    const agent = { host: '127.0.0.1', port: 1, keyId: 'key', key: Buffer.alloc(32) };
    link.boot(agent);
    const { id } = await blobs.put(once(script), 1_000);
    await truncate(await blobs.path(id), 0);
    const { entrypoint, args, environment, limits, network } = emptySpec;
    const spec = { id: newReport('job-1-1').id, runtime: 'python', entrypoint, args, environment, limits, network };
    const files = inputFiles({ ...emptySpec, scriptBlob: id }, blobs, zipReader);
    await assert.rejects(
      link.run(agent, { ...spec, image: null }, files).next(),
      (error) => toTidepoolError(error).details.damagedBlob === id,
    );
    const report = await link.report(agent, spec.id);
    assert.deepEqual([report.outcome, report.fault, report.startedAtMs], ['lost', 'transfer', null]);
  }));

test('a job whose input is damaged cannot be run again, and its owner is told what to do', () =>
  withBlobs(async (blobs, folder) => {
    const { id } = await blobs.put(once(script), 1_000);
    await truncate(await blobs.path(id), 3);
    const logs = await openLogFolder(join(folder, 'logs'));
    const job = queuedJob({ spec: { ...emptySpec, scriptBlob: id } });
    using hold = blobs.hold();
    const parts = { blobs, logs } as unknown as Parameters<typeof rerunJob>[0];
    await assert.rejects(
      rerunJob(parts, { flavors: [], maxQueued: 1 }, job, hold),
      (error) => hasCode(error, 'conflict') && /is damaged on the server .*; submit it anew/.test(error.message),
    );
  }));
