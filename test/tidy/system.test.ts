import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SystemRequirement } from '../../src/setup/requirements.ts';
import { shellPrograms } from './shell.ts';
import { parseSource } from './source.ts';
import { checkShellScript, checkSystemNames } from './system.ts';

/** The check of system requirements on samples that break its rule and on samples that come close and do not. */
const row = { purpose: 'is for this test', packages: ['package'] };
const table: readonly SystemRequirement[] = [
  { ...row, name: 'shell', neededBy: ['check', 'server', 'start'], anyOf: ['sh'], also: ['env', 'timeout'] },
  { ...row, name: 'tool', neededBy: ['server'], anyOf: ['tool', 'other-tool'], also: ['/usr/share/tool'] },
  { ...row, name: 'test tool', neededBy: ['test'], anyOf: ['test-tool'] },
  { ...row, name: 'optional', neededBy: [], anyOf: ['sometimes'] },
];

function problems(text: string, path = 'src/image/a.ts'): number {
  return checkSystemNames(parseSource(path, text), table).length;
}

const imports =
  "import { execFile, spawn, spawnSync } from 'node:child_process'; import { exec } from '../setup/exec.ts';";

test('system: each way to start a program that no row brings is found', () => {
  for (const bad of [
    "spawn('missing', []);",
    "spawnSync('missing');",
    "const run = promisify(execFile); run('missing', ['a']);",
    "promisify(execFile)('missing');",
    "exec(['missing', 'a'], limits);",
    "exec(['env', 'A=b', 'missing'], limits);",
    "exec(['timeout', '--kill-after=3', '20', 'missing'], limits);",
    "exec([...prefix, 'timeout', '20', 'missing'], limits);",
    "spawn('sh', ['-c', 'cd /x && missing --now']);",
    'const script = `set -e\\nmissing $' + "{count}\\n`; spawn('/bin/sh', ['-ec', script]);",
    "run({ program: 'missing', args: [] });",
    "run({ program: 'sh', args: ['-c', ['set -e', 'missing'].join('\\n')] });",
    "const start = (name, ...args) => spawn(name, args); start('missing');",
    "async function f(run: Exec) { await run(['missing'], {}); }",
    "const g = ({ exec: run = exec }) => run(['missing'], {});",
    "const program = big ? 'missing' : 'tool'; spawn(program);",
    "spawn(['missing', 'tool'].find(isThere));",
    "spawn(join(folder, 'missing'));",
    "const [program = '', ...args] = space?.enter(['missing', 'a']) ?? ['tool']; spawn(program, args);",
    "function words() { return ['missing', ['a']]; } spawn(...words());",
    "const options = ['--setup-hook=missing here'];",
    "const file = '/usr/share/missing';",
    "const file = '/usr/bin/missing';",
  ]) {
    assert.equal(problems(`${imports} ${bad}`), 1, bad);
  }
});

test('system: a program that cannot be read from the source is a problem of its own', () => {
  for (const bad of ['spawn(options.tool);', 'spawn(imported);', 'spawn(await find());'])
    assert.match(
      checkSystemNames(parseSource('src/image/a.ts', `${imports} ${bad}`), table)[0] ?? '',
      /cannot be read/,
      bad,
    );
});

test('system: what a row brings is fine, and so is what starts nothing', () => {
  for (const good of [
    "spawn('tool'); spawn('/usr/bin/tool'); spawn('other-tool'); spawn('sometimes');",
    "exec(['env', 'A=b', 'timeout', '20', 'sh', '-c', 'echo hello; tool'], limits);",
    'spawn(process.execPath, [script]);',
    "const run = commandRunner(clock); run('print(1)'); pattern.exec('missing');",
    "function f({ run }: { run: (args: string[]) => void }) { run(['update']); }",
    "const file = '/usr/share/tool/data'; const path = '/usr/bin:/bin'; const folders = ['/usr/bin', '/sbin'];",
    'const { program, args } = asUser(); spawn(program, args);',
    "// spawn('missing')\nconst text = \"spawn('missing')\";",
  ]) {
    assert.equal(problems(`${imports} ${good}`), 0, good);
  }
});

test('system: a row counts only for whoever has it installed', () => {
  const uses = (name: string, path: string): number => problems(`${imports} spawn('${name}');`, path);
  assert.deepEqual([uses('tool', 'src/image/a.ts'), uses('tool', 'src/image/a.test.ts')], [0, 1]);
  assert.deepEqual([uses('tool', 'test/e2e/a.test.ts'), uses('tool', 'test/api/a.test.ts')], [0, 1]);
  assert.deepEqual([uses('test-tool', 'test/e2e/a.test.ts'), uses('test-tool', 'src/image/a.ts')], [0, 1]);
  assert.deepEqual([uses('tool', 'src/worker/a.ts'), uses('sometimes', 'src/worker/a.ts')], [1, 0]);
  assert.deepEqual([uses('sometimes', 'test/e2e/a.test.ts'), uses('tool', 'bench/a.ts')], [1, 0]);
});

test('shell: programs by any way that our scripts start them, each once', () => {
  const samples: Readonly<Record<string, readonly string[]>> = {
    'one; two && three || four | five &\nsix': ['one', 'two', 'three', 'four', 'five', 'six'],
    'if one; then two; else three; fi\nwhile ! four; do five; done': ['one', 'two', 'three', 'four', 'five'],
    'a=$(one "$(two b)") c="$(three)" four': ['one', 'two', 'three', 'four'],
    '(one; two) >/dev/null 2>&1\nthree <in >out': ['one', 'two', 'three'],
    'case $x in\n  a) one ;;\n  b|c) two ;;\nesac': ['one', 'two'],
    "cat <<'EOF' >file\nnot a command\nEOF\none": ['cat', 'one'],
    'f() {\n  one\n}\nf; exec two "$@"': ['one', 'two'],
    '# one\nset -e; echo two; [ -e x ] && cd y; sh -c \'three "$1"\' sh': ['sh', 'three'],
    'flock --nonblock "$file" one; env A=b two; timeout 20 three; busybox mount x': [
      ...['flock', 'one', 'env', 'two', 'timeout', 'three', 'busybox'],
    ],
    'x=$((1 + 2)); printf %s "$1"; $tool; "$tool" a': [],
    'chroot . /sbin/other-system': ['chroot'],
    'one \\\n  argument\ntwo': ['one', 'two'],
  };
  for (const [script, expected] of Object.entries(samples))
    assert.deepEqual(shellPrograms(script).toSorted(), [...expected].toSorted(), script);
});

test('shell: a script is checked against the rows of whoever runs it', () => {
  const script = (text: string): number => checkShellScript({ path: 'scripts/a.sh', text }, table, ['helper']).length;
  assert.deepEqual([script('helper; sh -c "env"'), script('tool'), script('missing')], [0, 1, 1]);
});
