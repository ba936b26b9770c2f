import type { Command } from 'commander';
import { userAdd, userDelete, userDisable, userList, userPassword, userSet, whoAmI } from '../cli/account.ts';
import { AccountClient } from '../cli/account-client.ts';
import { ApiClient } from '../cli/client.ts';
import { type TokenOptions, tokenCreate, tokenDelete, tokenList } from '../cli/token.ts';
import { findServer } from '../config/connection.ts';
import { changeOwnPassword, login, logout } from './login.ts';
import { passwordInput } from './password-input.ts';

interface Format {
  readonly json?: boolean;
}

/** Adds login, logout, whoami, user and token to the command line (docs/accounts.md). */
export function addAccountCommands(program: Command, print: (text: string) => void): void {
  const dataDir = (): string | undefined => program.opts<{ dataDir?: string }>().dataDir;
  const client = async (): Promise<AccountClient> => new AccountClient(new ApiClient(await findServer(dataDir())));

  program
    .command('login')
    .description('sign in; commands are then sent there as this user (password: TIDEPOOL_PASSWORD or standard input)')
    .argument('[url]', 'of the server (default: the one that runs here)')
    .requiredOption('--user <name>', 'who')
    .option('--sign-up', 'make the account first, where the server lets anybody')
    .option('--json', 'as JSON')
    .action(async (url: string | undefined, options: Format & { user: string; signUp?: boolean }) =>
      print(await login(url, dataDir(), options)),
    );
  program
    .command('logout')
    .description('sign out again')
    .option('--json', 'as JSON')
    .action(async (options: Format) => print(await logout(options)));
  program
    .command('whoami')
    .description('who the server takes you for')
    .option('--json', 'as JSON')
    .action(async (options: Format) => {
      const server = await findServer(dataDir());
      print(await whoAmI(new AccountClient(new ApiClient(server)), server.url, options));
    });
  addUserCommands(program, client, print);
  addTokenCommands(program, client, print);
}

function addUserCommands(program: Command, client: () => Promise<AccountClient>, print: (text: string) => void): void {
  const user = program.command('user').description('users, for administrators; and your own password');
  user
    .command('add <name>')
    .description('add a user; a password is made and printed')
    .option('--role <role>', 'user or admin', 'user')
    .option('--password-stdin', 'take TIDEPOOL_NEW_PASSWORD or a line of standard input as the password instead')
    .option('--json', 'as JSON')
    .action(async (name: string, options: Format & { role: string; passwordStdin?: boolean }) =>
      print(await userAdd(await client(), name, await chosenPassword(name, options), options)),
    );
  user
    .command('list')
    .description('all users')
    .option('--json', 'as JSON')
    .action(async (options: Format) => print(await userList(await client(), options)));
  user
    .command('set <name>')
    .description('change the role, or enable again')
    .option('--role <role>', 'user or admin')
    .option('--enable', 'may sign in again')
    .option('--json', 'as JSON')
    .action(async (name: string, options: Format & { role?: string; enable?: boolean }) =>
      print(await userSet(await client(), name, options)),
    );
  user
    .command('disable <name>')
    .description('end all that the user is signed in by, until enabled again')
    .option('--json', 'as JSON')
    .action(async (name: string, options: Format) => print(await userDisable(await client(), name, options)));
  user
    .command('delete <name>')
    .description('delete a user for ever; jobs stay, and the name is not given again')
    .option('--json', 'as JSON')
    .action(async (name: string, options: Format) => print(await userDelete(await client(), name, options)));
  user
    .command('password [name]')
    .description("set a user's password (it is made and printed); without a name change your own")
    .option('--password-stdin', 'take TIDEPOOL_NEW_PASSWORD or a line of standard input as the password instead')
    .option('--json', 'as JSON')
    .action(async (name: string | undefined, options: Format & { passwordStdin?: boolean }, command: Command) => {
      if (name === undefined) return print(await changeOwnPassword(command.optsWithGlobals().dataDir, options));
      return print(await userPassword(await client(), name, await chosenPassword(name, options), options));
    });
}

function addTokenCommands(program: Command, client: () => Promise<AccountClient>, print: (text: string) => void): void {
  const token = program.command('token').description('API tokens for programs');
  token
    .command('create')
    .description('make a token and print it, this once')
    .requiredOption('--name <name>', 'to know it again')
    .option(
      '--scope <scope>',
      'read, jobs, services, worker or admin (may be repeated; default: jobs)',
      (scope: string, all: string[] = []) => [...all, scope],
    )
    .option('--expires <time>', 'how long it is good, up to 366d', '90d')
    .option('--json', 'as JSON')
    .action(async (options: TokenOptions) => print(await tokenCreate(await client(), options)));
  token
    .command('list')
    .description('your tokens; for administrators those of all users')
    .option('--owner <name>', 'only those of this user')
    .option('--json', 'as JSON')
    .action(async (options: Format & { owner?: string }) => print(await tokenList(await client(), options)));
  token
    .command('delete <id>')
    .description('delete a token; what uses it is cut off')
    .option('--json', 'as JSON')
    .action(async (id: string, options: Format) => print(await tokenDelete(await client(), id, options)));
}

async function chosenPassword(name: string, options: { passwordStdin?: boolean }): Promise<string | undefined> {
  if (!options.passwordStdin) return undefined;
  const input = passwordInput();
  try {
    return await input.read(`new password of ${name}`, 'TIDEPOOL_NEW_PASSWORD');
  } finally {
    input.close();
  }
}
