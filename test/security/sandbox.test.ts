import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attemptSpec, collect, runScript, startAttempt, textFiles } from '../support/attempts.ts';
import { againstOneVm, assertUnharmed } from './sandbox-vm.ts';

// Jobs that try to get out, to see what is not theirs, or to trick the agent.

const utf16 = Buffer.from('print("x")\n', 'utf16le');

const { vm } = againstOneVm([
  {
    title: 'ordinary programs work: processes, threads, pipes, sockets, shell',
    script: 'ordinary.py',
    check: ({ report, stdout, stderr }) => {
      assert.equal(report.outcome, 'succeeded', stderr);
      const lines = stdout.split('\n');
      assert.equal(lines[0], "['x.py', 'first', '-x'] /work 1000 /tmp 1");
      assert.equal(lines[1], '[0, 1, 4, 9]');
      assert.match(stdout, /shell\nout\n0\n/);
      assert.equal(stderr, 'error\n');
    },
  },
  {
    title: 'what is forbidden is refused',
    script: 'forbidden.py',
    check: ({ report, stdout, stderr }) => {
      assert.deepEqual([stdout, stderr, report.outcome], ['1000\nend\n', '', 'succeeded']);
    },
  },
  {
    title: 'links and other special files of ./out are left out, and said so',
    script: 'link_tricks.py',
    check: ({ report, files, notice }) => {
      assert.equal(report.outcome, 'succeeded');
      assert.deepEqual(files, { 'good.txt': 'good', 'folder/inner.txt': 'inner' });
      for (const word of ['link', 'pipe', 'socket', 'slash', 'line', 'utf8', 'sparse'])
        assert.match(notice, new RegExp(word));
    },
  },
  {
    title: './out that is a link to the root gives nothing',
    script: 'out_is_link.py',
    check: ({ files, notice }) => {
      assert.deepEqual(files, {});
      assert.match(notice, /not a folder/);
    },
  },
  {
    title: 'no more than 10,000 files are taken along',
    script: 'many_files.py',
    check: ({ files, notice }) => {
      assert.equal(Object.keys(files).length, 10_000);
      assert.match(notice, /50|more than/);
    },
  },
  {
    title: 'exit code 137 is no signal',
    script: 'import sys\nsys.exit(137)\n',
    check: ({ report }) => assert.deepEqual([report.exitCode, report.signal], [137, null]),
  },
  {
    title: 'a signal is no exit code',
    script: 'import os\nos.kill(os.getpid(), 11)\n',
    check: ({ report }) => assert.deepEqual([report.exitCode, report.signal, report.outcome], [null, 11, 'failed']),
  },
  {
    title: 'a traceback is as Python prints it',
    script: "raise ValueError('x')\n",
    check: ({ stderr, report }) => {
      assert.equal(report.exitCode, 1);
      assert.match(stderr, /^Traceback \(most recent call last\):\n {2}File "\/work\/x.py", line 1, in <module>\n/);
    },
  },
]);

for (const { title, script, line, says } of [
  { title: 'source that is no UTF-8', script: Buffer.from('ok = 1\nx = "\xff"\n', 'latin1'), line: 2, says: /UTF-8/ },
  { title: 'source with a NUL byte', script: 'x = 1\ny = "\0"\n', line: 2, says: /NUL/ },
  { title: 'source in UTF-16', script: utf16, line: 1, says: /NUL/ },
  { title: 'parser bomb: parentheses', script: `x = ${'('.repeat(5_000)}\n`, line: 1, says: /parenthes|nested/ },
  { title: 'parser bomb: deep expression', script: `x = ${'-'.repeat(500_000)}1\n`, line: 1, says: /./ },
  { title: 'parser bomb: deep blocks', script: deepBlocks(), line: 1, says: /indent|nested/ },
  { title: 'parser bomb: constant folding', script: `x = ${'9'.repeat(200_000)}\n`, line: 1, says: /./ },
  { title: 'an unclosed text', script: 'x = 1\ny = """\n', line: 2, says: /unterminated/ },
  { title: 'an unknown coding', script: '# coding: nonsense\nx = 1\n', line: 1, says: /encoding/ },
] as const) {
  test(`rejected before anything runs: ${title}`, async () => {
    const { report, stdout } = await runScript(vm().link, vm().agent, script);
    assert.deepEqual([report.outcome, stdout], ['rejected', ''], JSON.stringify(report));
    assert.ok((report.syntaxProblem?.line ?? 0) >= line, JSON.stringify(report.syntaxProblem));
    assert.match(report.syntaxProblem?.message ?? '', says);
  });
}

function deepBlocks(): string {
  return Array.from({ length: 120 }, (_, depth) => `${' '.repeat(depth)}if 1:`).join('\n');
}

test('two jobs at a time do not see each other', async () => {
  const { link, agent } = vm();
  const writer = attemptSpec();
  const waiting =
    "open('secret', 'w').write('secret')\nopen('/tmp/secret', 'w').write('s')\nprint('here', flush=True)\n";
  await startAttempt(link, agent, writer, textFiles({ 'x.py': `${waiting}import time\ntime.sleep(600)\n` }));
  for await (const _started of link.output(agent, writer.id, 0)) break;
  const look = `import os
found = [os.path.join(top, name) for top, _, names in os.walk('/') for name in names if name == 'secret']
pids = [pid for pid in os.listdir('/proc') if pid.isdigit()]
print(found, len(pids) <= 3)
`;
  const { stdout } = await runScript(link, agent, look);
  assert.equal(stdout, '[] True\n');
  assert.equal((await link.report(agent, writer.id)).state, 'running');
  await link.remove(agent, [writer.id]);
});

test('a job cannot spoil its slot for the next one: pipes, working folder, limits', async () => {
  const { link, agent } = vm();
  const spoil = `import fcntl, os
for path in ('/dev/.status', '/proc/self/fd/1', '/proc/self/fd/2'):
    pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
    try:
        os.chmod(path, 0)
    except PermissionError:
        print('refused', path)
os.symlink('/', '/work/link')
os.makedirs('/work/out/deep')
os.chmod('/work', 0)
os._exit(5)
`;
  const limits = { diskBytes: 8 * 1024 * 1024 };
  for (let i = 0; i < 4; i += 1) {
    const spoiled = await runScript(link, agent, spoil, attemptSpec({ limits }));
    assert.deepEqual(
      [spoiled.report.outcome, spoiled.report.exitCode, spoiled.stdout],
      ['failed', 5, 'refused /dev/.status\n'],
    );
    const look = `import os
print(sorted(os.listdir('/work')), oct(os.stat('/work').st_mode), os.statvfs('/work').f_blocks > 2048, flush=True)
for path in ('/dev/stdout', '/dev/stderr'):
    print(path, file=open(path, 'a'), flush=True)
open('out/a', 'w').write('1')
`;
    const { report, stdout, files } = await runScript(link, agent, look);
    assert.deepEqual([report.outcome, report.exitCode, files], ['succeeded', 0, { a: '1' }]);
    assert.equal(stdout, "['out', 'x.py'] 0o40700 True\n/dev/stdout\n");
  }
});

test('after a kill -9 of the agent, what ran is lost and gone, and what had ended is still there', async () => {
  const { link, agent, shell } = vm();
  const ended = attemptSpec();
  await startAttempt(link, agent, ended, textFiles({ 'x.py': "open('out/a', 'w').write('kept')\nprint('kept')\n" }));
  const before = await collect(link, agent, ended.id);
  const running = attemptSpec();
  await startAttempt(
    link,
    agent,
    running,
    textFiles({ 'x.py': "print('on', flush=True)\nimport time\ntime.sleep(600)\n" }),
  );
  for await (const _started of link.output(agent, running.id, 0)) break;
  const { bootId } = await link.health(agent);

  await shell('kill -9 $(cat /sys/fs/cgroup/agent/cgroup.procs)');
  await untilRestarted(async () => {
    const report = await link.report(agent, running.id);
    assert.deepEqual([report.state, report.outcome], ['ended', 'lost']);
  });
  assert.equal((await link.health(agent)).bootId, bootId);
  assert.deepEqual(await collect(link, agent, ended.id), before);
  await link.remove(agent, [ended.id]);
  await link.remove(agent, [running.id]);
  await assertUnharmed(vm());
});

async function untilRestarted(check: () => Promise<void>): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      await check();
      return;
    } catch (error) {
      if (tries > 400) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
