import type { Command } from 'commander';
import type { ApiClient } from '../cli/client.ts';
import { workerList, workerRemove } from '../cli/worker.ts';
import type { WorkerCommandOptions } from './worker.ts';

/** Adds `worker` to the command line (docs/workers.md). */
export function addWorkerCommands(
  program: Command,
  client: () => Promise<ApiClient>,
  print: (text: string) => void,
): void {
  const worker = program
    .command('worker')
    .description('let this machine run jobs of a server; what machines do so (docs/workers.md)')
    .option('--join <url>', 'of the server')
    .option('--token <token>', 'API token with the scope worker (default: TIDEPOOL_TOKEN)')
    .option('--name <name>', 'of this worker (default: the name of the machine)')
    .option('--cpus <n>', 'how many to give to jobs (default: all)')
    .option('--memory <size>', 'how much to give to jobs, as 4G (default: all but what the system needs)')
    .option('--dir <dir>', 'where it keeps runtimes and what jobs write (default: /var/lib/tidepool/worker)')
    .action(async (options: WorkerCommandOptions) => (await import('./worker.ts')).worker(options));
  worker
    .command('list')
    .description('machines that joined by hand')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => print(await workerList(await client(), options)));
  worker
    .command('remove <name>')
    .description('give a worker no more jobs, let it finish, then dismiss it')
    .option('--now', 'at once; its jobs are started again elsewhere')
    .action(async (name: string, options: { now?: boolean }) =>
      print(await workerRemove(await client(), name, options)),
    );
}
