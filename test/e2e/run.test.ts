import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startServer, startTidepool, type TestServer, temporaryFolder, tidepool } from '../support/server.ts';

/** One server with one VM; every test is a user at the command line. */
let server: TestServer;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let dataDir = '';
let vmCreatedAtMs = 0;

before(async () => {
  folder = await temporaryFolder('run');
  dataDir = join(folder.path, 'data-dir');
  server = await startServer(dataDir);
  vmCreatedAtMs = JSON.parse((await tidepool(dataDir, ['vm', 'list', '--json'])).stdout)[0].createdAtMs;
});
after(async () => {
  server.signal('SIGINT');
  assert.equal(await server.ended, 0, server.output());
  await folder.remove();
});

const digits = fileURLToPath(new URL('../../examples/jobs/digits.py', import.meta.url));
const pngSignature = '89504e470d0a1a0a';

async function script(name: string, text: string | Buffer): Promise<string> {
  const path = join(folder.path, name);
  await writeFile(path, text);
  return path;
}

async function run(text: string, ...options: string[]) {
  const path = await script('x.py', text);
  return tidepool(dataDir, ['run', path, ...options]);
}

/** The VM that was there at the start is still the one and still works. */
async function vmIsUnharmed(): Promise<void> {
  const listed = JSON.parse((await tidepool(dataDir, ['vm', 'list', '--json'])).stdout);
  assert.deepEqual(
    listed.map((vm: { createdAtMs: number; state: string }) => [vm.createdAtMs, vm.state]),
    [[vmCreatedAtMs, 'ready']],
  );
  const next = await run('print(6 * 7)');
  assert.deepEqual(next, { code: 0, stdout: '42\n', stderr: '' });
}

test('stdout, stderr and exit code are those of the script', async () => {
  const result = await run('import sys; print("o"); print("e", file=sys.stderr); sys.exit(3)');
  assert.deepEqual(result, { code: 3, stdout: 'o\n', stderr: 'e\n' });
});

test('arguments, a traceback and bytes that are no text arrive as they are', async () => {
  const args = await run('import sys; print(sys.argv)', '--', '-x', 'a b', '--json');
  assert.equal(args.stdout, "['x.py', '-x', 'a b', '--json']\n");
  const trace = await run('def f():\n    raise ValueError("no")\nf()\n');
  assert.equal(trace.code, 1);
  assert.match(trace.stderr, /^Traceback \(most recent call last\):\n {2}File ".*x\.py", line 3, in <module>/);
  assert.match(trace.stderr, /ValueError: no\n$/);
  const killed = await run('import os; os.kill(os.getpid(), 15)');
  assert.equal(killed.code, 128 + 15);
});

test('a dataset folder is seen at ./data, and what is written to ./out comes back', async () => {
  const data = join(folder.path, 'dataset');
  await mkdir(join(data, 'deep', 'er'), { recursive: true });
  await writeFile(join(data, 'deep', 'er', 'n.txt'), '20\n22\n');
  const out = join(folder.path, 'results');
  const result = await run(
    'import os\nn = sum(map(int, open("data/deep/er/n.txt")))\nos.makedirs("out/sub")\nopen("out/sub/sum.txt", "w").write(str(n))\nprint(n)\n',
    '--data',
    data,
    '--out',
    out,
  );
  assert.deepEqual(result, { code: 0, stdout: '42\n', stderr: '' });
  assert.equal(await readFile(join(out, 'sub', 'sum.txt'), 'utf8'), '42');
});

test('--json prints the final job and nothing else', async () => {
  const result = await run(
    'print("x"); open("out/a", "w").write("abc")',
    '--json',
    '--cpus',
    '0.5',
    '--memory',
    '256M',
  );
  const job = JSON.parse(result.stdout);
  assert.equal(job.state, 'succeeded');
  assert.equal(job.exitCode, 0);
  assert.deepEqual(job.files, [{ path: 'a', sizeBytes: 3 }]);
  assert.equal(job.limits.memoryBytes, 256 * 1024 ** 2);
  assert.ok(job.wallMs > 0 && job.peakMemoryBytes > 0);
  const shown = JSON.parse((await tidepool(dataDir, ['job', 'show', job.id, '--json'])).stdout);
  assert.equal(shown.id, job.id);
  assert.equal((await tidepool(dataDir, ['job', 'logs', job.id])).stdout, 'x\n');
  assert.match((await tidepool(dataDir, ['job', 'list'])).stdout, new RegExp(`${job.id} +x.py +succeeded`));
});

test('the runtime ml in a job: scikit-learn fits, OpenCV finds edges, PyTorch trains', async () => {
  const out = join(folder.path, 'learned');
  const result = await tidepool(dataDir, ['run', '--runtime', 'ml', digits, '--out', out]);
  assert.equal(result.code, 0, result.stderr);
  const report = JSON.parse(await readFile(join(out, 'report.json'), 'utf8'));
  assert.ok(report.sklearnAccuracy > 0.9, `scikit-learn: ${report.sklearnAccuracy}`);
  assert.ok(report.torchAccuracy > 0.8, `PyTorch: ${report.torchAccuracy}`);
  assert.ok(report.lastLoss < report.firstLoss / 2, 'the training made the loss smaller');
  assert.ok(report.edgeShare > 0.01 && report.edgeShare < 0.9, `edges: ${report.edgeShare}`);
  const picture = await readFile(join(out, 'digits.png'));
  assert.equal(picture.subarray(0, 8).toString('hex'), pngSignature);
  assert.ok(picture.length > 5_000);
});

test('output arrives while the script runs', async () => {
  const path = await script('slow.py', 'import time\nprint("first", flush=True)\ntime.sleep(600)\n');
  const { child, done, prints } = startTidepool(dataDir, ['run', path]);
  await prints('first\n');
  // Ctrl-C cancels the job.
  child.kill('SIGINT');
  const result = await done;
  assert.equal(result.code, 130);
  assert.equal(result.stdout, 'first\n');
  assert.match(result.stderr, /was cancelled/);
});

test('a syntax error is shown with file, line and column; nothing runs', async () => {
  const result = await run('print("must not run")\nx = (1,\nprint(x\n');
  assert.equal(result.code, 2);
  assert.equal(result.stdout, '');
  assert.match(result.stderr, /File "x\.py", line \d+, column \d+\n[\s\S]*SyntaxError: /);
  assert.doesNotMatch(result.stderr, /Traceback|\.ts:/);
  for (const bytes of [
    Buffer.from('89504e470d0a1a0a0000000d', 'hex'),
    Buffer.from('x = 1\0\n'),
    Buffer.from([0xff, 0xfe]),
  ]) {
    const path = await script('picture.py', bytes);
    const picture = await tidepool(dataDir, ['run', path]);
    assert.equal(picture.code, 2, picture.stderr);
    assert.match(picture.stderr, /File "picture\.py", line \d+, column \d+/);
  }
});

test('files and options that cannot be: one sentence, exit code 2, no trace of ours', async () => {
  const good = await script('good.py', 'print(1)');
  await mkdir(join(folder.path, 'empty'));
  const broken = await script('broken.zip', 'PK\u0003\u0004 and then nothing');
  const cases: [string[], RegExp][] = [
    [['run', join(folder.path, 'none.py')], /none\.py does not exist/],
    [['run', join(folder.path, 'empty')], /no main\.py at its top: say which/],
    [['run', good, '--runtime', 'cobol'], /there is no runtime "cobol"; there are: ml, python/],
    [['run', good, '--cpus', 'NaN'], /is not a number of CPUs/],
    [['run', good, '--cpus', '-1'], /CPUs|argument/],
    [['run', good, '--cpus', '1e309'], /is not a number of CPUs/],
    [['run', good, '--cpus', '64'], /the largest VM has 1/],
    [['run', good, '--cpus', '0'], /CPUs \(cpus\) is 0; it must be from 0\.1/],
    [['run', good, '--memory', '-5M'], /is not a size|argument/],
    [['run', good, '--memory', '1T'], /the largest VM gives/],
    [['run', good, '--memory', '1'], /memory \(memoryBytes\) is 1 bytes; it must be from 16 MiB/],
    [['run', good, '--timeout', 'soon'], /is not a time/],
    [['run', good, '--timeout', '0'], /the limit of time \(timeoutMs\) is 0 s; it must be from 100 ms/],
    [['run', good, '--data', join(folder.path, 'none.zip')], /none\.zip does not exist/],
    [['run', good, '--data', broken], /the dataset is not a ZIP archive/],
    [['run', good, '--env', 'novalue'], /NAME=VALUE/],
    [['run'], /name the script to run/],
    [['job', 'list', '--state', 'happy'], /state/],
    [['dance'], /unknown command/],
  ];
  for (const [args, pattern] of cases) {
    const result = await tidepool(dataDir, args);
    assert.equal(result.code, 2, `${args.join(' ')}: ${result.stderr}`);
    assert.match(result.stderr, pattern);
    assert.doesNotMatch(result.stderr, /\.ts:\d+|node:internal/);
    assert.equal(result.stdout, '');
  }
  const unknown = await tidepool(dataDir, ['job', 'show', 'nosuchjob']);
  assert.equal(unknown.code, 66);
  assert.match(unknown.stderr, /there is no job nosuchjob/);
});

const hostile: {
  readonly name: string;
  readonly text: string;
  readonly options: readonly string[];
  /** For once more on a machine so slow that it did not get to it. */
  readonly slowly?: readonly string[];
  readonly code: number;
  readonly says: RegExp;
}[] = [
  {
    name: 'memory bomb',
    text: 'x = []\nwhile True: x.append(bytearray(10_000_000))',
    options: ['--memory', '128M'],
    code: 137,
    says: /memory/,
  },
  {
    name: 'fork bomb',
    text: 'import os\nwhile True:\n    try: os.fork()\n    except OSError: pass',
    options: ['--timeout', '5s'],
    slowly: ['--timeout', '1m'],
    code: 124,
    says: /time limit[\s\S]*processes/,
  },
  {
    name: 'endless sleep',
    text: 'import time; time.sleep(1e6)',
    options: ['--timeout', '2s'],
    code: 124,
    says: /time limit/,
  },
  {
    name: 'a script that ignores TERM and daemonises',
    text: 'import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        while True: time.sleep(1)\ntime.sleep(1e6)',
    options: ['--timeout', '2s'],
    code: 124,
    says: /time limit/,
  },
  {
    name: 'disk fill',
    text: 'with open("out/big", "wb") as f:\n    while True: f.write(b"x" * 1_000_000)',
    options: ['--disk', '50M'],
    code: 1,
    says: /OSError|disk limit/,
  },
];

for (const { name, text, options, slowly, code, says } of hostile) {
  test(`${name}: a clear outcome, the VM and the next job unharmed`, async () => {
    let result = await run(text, ...options);
    if (slowly !== undefined && !says.test(result.stderr)) result = await run(text, ...slowly);
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, says);
    await vmIsUnharmed();
  });
}

test('endless output is cut at its limit and said so', async () => {
  const result = await run('while True: print("x" * 10_000)', '--timeout', '4s', '--json');
  const job = JSON.parse(result.stdout);
  assert.equal(job.state, 'timed_out');
  assert.equal(result.code, 124);
  await rm(join(folder.path, 'results'), { recursive: true, force: true });
  await vmIsUnharmed();
});
