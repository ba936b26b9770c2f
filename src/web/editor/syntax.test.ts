import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { syntaxErrors } from './syntax.ts';

test('breaks of the grammar are told with line and column', () => {
  const [first] = syntaxErrors('x = 1\nif x\n    print(x)\n');
  assert.equal(first?.line, 2);
  assert.equal(syntaxErrors('print("a"\nx = 2\n').length > 0, true);
  assert.equal(syntaxErrors('def f(:\n    pass\n')[0]?.line, 1);
});

test('right scripts have none, also in newer forms of Python', () => {
  const right = [
    'match x:\n    case [1, *rest] if rest:\n        pass\n',
    'async def f[T](a: T, /, *, b=1) -> T:\n    return await g(x := 3)\n',
    'with (open("a") as a, open("b") as b):\n    pass\n',
    'print(f"{x!r:>{width}} {y=}")\n',
    'try:\n    pass\nexcept* ValueError as e:\n    raise X from e\n',
    'type Point = tuple[float, float]\n',
    '',
  ];
  for (const script of right) assert.deepEqual(syntaxErrors(script), [], script);
  for (const path of globSync('examples/**/*.py')) assert.deepEqual(syntaxErrors(readFileSync(path, 'utf8')), [], path);
});
