import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';
import { type Load, perSecond } from './load.ts';

/** Tasks at one time, and the batching, as graphile-worker's page on performance has them. */
const concurrency = 24;
const worker = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
const connections = 25;

/** Jobs a second of graphile-worker on PostgreSQL: each added by itself, the last one completed. Tasks do nothing. */
export async function graphilePerSecond(load: Load, database: string): Promise<number> {
  const pgPool = new pg.Pool({ connectionString: database, max: connections });
  pgPool.on('error', reportLater);
  pgPool.on('connect', (client) => client.on('error', reportLater));
  const options = { pgPool, logger: new Logger(() => () => undefined) };
  const utils = await makeWorkerUtils(options);
  await utils.migrate();
  const runner = await run({
    ...options,
    concurrency,
    noHandleSignals: true,
    preset: { worker },
    taskList: { job: async () => undefined },
  });
  try {
    return await perSecond(
      load,
      async (i) => void (await utils.addJob('job', { user: `user-${i % 10}`, script: '0'.repeat(64) })),
      async () => {
        const { rows } = await pgPool.query<{ left: string }>('select count(*) as left from graphile_worker.jobs');
        return Number(rows[0]?.left);
      },
    );
  } finally {
    await runner.stop();
    await utils.release();
    await pgPool.end();
  }
}

/** Of an idle connection; a query that is under way gets its own error. */
function reportLater(): void {}
