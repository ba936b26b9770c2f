import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { pythonFolder } from '../support/harness.ts';

/** What holds for the Python files: any runtime may run them. */

const files = globSync([`${pythonFolder}tidepool/*.py`, 'examples/services/*.py']);

test('each is Python as of 3.9, and short', () => {
  assert.ok(files.length > 20);
  const check = 'import ast, sys\nfor file in sys.argv[1:]: ast.parse(open(file).read(), file, feature_version=(3, 9))';
  execFileSync('python3', ['-c', check, ...files]);
  const long = files.filter((file) => readFileSync(file, 'utf8').split('\n').length > 250);
  assert.deepEqual(long, []);
});

test('the harness imports only modules of Python itself', () => {
  const check = `
import ast, sys
for file in sys.argv[1:]:
    for node in ast.walk(ast.parse(open(file).read())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0: names.append(node.module)
        for name in names:
            if name.split(".")[0] not in sys.stdlib_module_names: print(file, name)
`;
  const others = execFileSync('python3', ['-c', check, ...files.filter((file) => file.includes('/tidepool/'))]);
  assert.equal(String(others), '');
});
