import type { Command } from 'commander';
import { errorCodes } from '../domain/errors.ts';
import type { BackupCommandOptions, RestoreCommandOptions } from './backup.ts';

/** Adds the commands that look after an installation: `backup`, `restore` (docs/backup.md), `upgrade`, `service-unit`. */
export function addUpkeepCommands(program: Command, print: (text: string) => void): void {
  const backup = program
    .command('backup')
    .description('back the data folder up while its server runs, or when it does not (docs/backup.md)')
    .argument('<dir>', 'folder of the backups of this server; only what is new is added to it')
    .option('--keep <n>', 'remove all but the newest n backups, unless the new one lacks something')
    .option('--config <file>', 'keep the configuration file in the backup as well')
    .option('--json', 'as JSON')
    .action(async (dir: string, _options, command: Command) => {
      const { runBackup } = await import('./backup.ts');
      const { text, isWhole } = await runBackup(dir, command.optsWithGlobals<BackupCommandOptions>());
      print(text);
      if (!isWhole) process.exitCode = errorCodes.conflict.exitCode;
    });
  backup
    .command('check <dir>')
    .description('read all backups of a folder, compare them with their checksums, and move aside what is damaged')
    .option('--json', 'as JSON')
    .action(async (dir: string, _options, command: Command) => {
      const { runCheck } = await import('./backup.ts');
      const { text, isSound } = await runCheck(dir, command.optsWithGlobals<{ json?: boolean }>());
      print(text);
      if (!isSound) process.exitCode = errorCodes.conflict.exitCode;
    });
  program
    .command('restore')
    .description('make a new data folder of a backup (docs/backup.md)')
    .argument('<dir>', 'folder of the backups')
    .option('--data-dir <dir>', 'the new data folder, which is not there yet or is empty')
    .option('--backup <id>', 'which one (default: the newest)')
    .option('--as-new', 'as another installation, to try it beside the original: its VMs are left alone')
    .option(
      '--allow-missing',
      'restore a backup that lacks files, or has damaged ones, without these; names who loses them',
    )
    .option('--json', 'as JSON')
    .action(async (dir: string, _options, command: Command) => {
      const { runRestore } = await import('./backup.ts');
      print(await runRestore(dir, command.optsWithGlobals<RestoreCommandOptions>()));
    });
  program
    .command('upgrade')
    .description('what an upgrade to this version would do (docs/upgrade.md)')
    .requiredOption('--check', 'only say it; the upgrade itself is a restart with this version')
    .option('--json', 'as JSON')
    .action(async (_options, command: Command) => {
      const { runUpgradeCheck } = await import('./upgrade.ts');
      const { text, isPossible } = await runUpgradeCheck(command.optsWithGlobals());
      print(text);
      if (!isPossible) process.exitCode = errorCodes.conflict.exitCode;
    });
  program
    .command('service-unit')
    .description('print a systemd unit that runs the server (docs/upgrade.md)')
    .option('--config <file>', 'configuration of the server')
    .option('--drain', 'at a stop, let jobs end and remove the VMs; without it they stay for the next start')
    .option('--json', 'as JSON, with where it belongs and how it is started')
    .action(async (_options, command: Command) => {
      const { runServiceUnit } = await import('./service-unit.ts');
      const warn = (text: string): void => void process.stderr.write(`tidepool: ${text}\n`);
      print(runServiceUnit(command.optsWithGlobals(), warn));
    });
}
