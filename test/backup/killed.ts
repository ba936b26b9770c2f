import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

/**
 * Runs a backup or a restore and kills this process before the step of this number that changes a file or folder.
 * Prints how many steps there were when it comes to its end: `killed.ts backup|restore FOLDER STEP`.
 */
const [, , action, folder = '', step] = process.argv;
let steps = 0;
const changing = ['link', 'rename', 'rm', 'rmdir', 'open', 'mkdir', 'chmod'] as const;
for (const name of changing) {
  const original = fs[name] as (...args: unknown[]) => unknown;
  Object.assign(fs, {
    [name]: (...args: unknown[]) => {
      steps += 1;
      if (steps === Number(step)) process.kill(process.pid, 'SIGKILL');
      return original(...args);
    },
  });
}
syncBuiltinESMExports();

const { backUp } = await import('../../src/backup/backup.ts');
const { restore } = await import('../../src/backup/restore.ts');
const { databaseTools, serveFolder } = await import('./support.ts');
const dir = `${folder}/backups`;
if (action === 'backup') {
  await using served = await serveFolder(folder);
  steps = 0;
  await backUp(served.options(dir, { keep: 2 }));
} else {
  steps = 0;
  const options = { id: undefined, newInstallationId: undefined, database: databaseTools };
  await restore({ dir, dataDir: `${folder}/new`, ...options });
}
process.stdout.write(String(steps));
