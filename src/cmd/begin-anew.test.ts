import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
const module = new URL('./begin-anew.ts', import.meta.url).href;

test('a process whose source was compiled begins anew once, without the compiler', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'anew-'));
  try {
    const file = join(folder, 'main.ts');
    await writeFile(
      file,
      `import { beginAnew, hasCompiler } from '${module}';
      const begun: number = process.pid;
      console.log('begins', begun, hasCompiler());
      beginAnew();
      console.log('goes on', begun, hasCompiler(), process.argv.slice(2).join(), process.env.TIDEPOOL_BEGUN_ANEW);`,
    );
    const lines = async (cache: string): Promise<string[]> => {
      const env = { ...process.env, NODE_COMPILE_CACHE: cache };
      const { stdout } = await run(process.execPath, [file, 'a', 'b'], { env });
      return stdout.trim().replaceAll(/\d+/g, 'N').split('\n');
    };
    const first = ['begins N true', 'begins N false', 'goes on N false a,b undefined'];
    const second = ['begins N false', 'goes on N false a,b undefined'];
    assert.deepEqual(await lines(join(folder, 'cache')), first);
    assert.deepEqual(await lines(join(folder, 'cache')), second);
  } finally {
    await rm(folder, { recursive: true });
  }
});
