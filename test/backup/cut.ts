import { mkdir, writeFile } from 'node:fs/promises';
import { openSource } from '../../src/cmd/backup-source.ts';
import { announceServer } from '../../src/config/connection.ts';
import { openTestWeb } from '../accounts/server.ts';
import { adminToken, openTestAccounts } from '../accounts/support.ts';
import { serveFolder } from './support.ts';

/**
 * A process that is killed in the middle of a backup: `cut.ts backup FOLDER` is the command, when the copy of the database is there;
 * `cut.ts server FOLDER` is a server, while it copies its database. It prints a line when it is asked for a copy.
 */
const [, , role, folder = ''] = process.argv;
if (role === 'backup') {
  const source = await openSource(`${folder}/data`);
  await source.takeDatabase();
  process.kill(process.pid, 'SIGKILL');
} else {
  const { dataDir } = await serveFolder(folder);
  await writeFile(`${dataDir}/admin.token`, adminToken);
  const upkeep = {
    async copyDatabase(): Promise<never> {
      await mkdir(`${dataDir}/backup`, { recursive: true });
      await writeFile(`${dataDir}/backup/half.db`, 'half of it');
      process.kill(process.pid, 'SIGKILL');
      return new Promise(() => undefined);
    },
    facts: async () => ({
      ...{ version: '1.2.3', dataDir, imageId: 'x', agentProtocol: 1 },
      database: { sizeBytes: 1, migrations: [] },
    }),
  };
  const web = await openTestWeb(await openTestAccounts(), { upkeep } as never);
  await announceServer({ url: web.url, dataDir });
  process.stdout.write('ready\n');
}
