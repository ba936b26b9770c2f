import type { Command } from 'commander';
import type { BuiltInRuntime } from '../image/runtime-recipe.ts';
import type { AddOptions, Format } from './runtime.ts';

/** `tidepool runtime ...`; its code is loaded when it is called. */
export function addRuntimeCommands(program: Command, print: (text: string) => void): void {
  const load = (): Promise<typeof import('./runtime.ts')> => import('./runtime.ts');
  const runtime = program.command('runtime').description('runtimes of this machine (docs/runtimes.md)');
  runtime
    .command('add <name>')
    .description('make a runtime of a container image')
    .option('--docker-archive <file>', 'archive that docker save wrote, also compressed')
    .option('--oci <dir>', 'folder in the OCI image layout')
    .option('--dockerfile <dir>', 'folder with a Dockerfile; built by buildah, or by Docker where that is installed')
    .option('--json', 'as JSON')
    .action(async (name: string, options: AddOptions) => print(await (await load()).runtimeAdd(name, options)));
  runtime
    .command('build')
    .description('build a built-in runtime, if it is not there')
    .addArgument(program.createArgument('<name>').choices(['python', 'ml']))
    .option('--json', 'as JSON')
    .action(async (name: BuiltInRuntime, options: Format) => print(await (await load()).runtimeBuild(name, options)));
  runtime
    .command('list')
    .description('runtimes that are there')
    .option('--json', 'as JSON')
    .action(async (options: Format) => print(await (await load()).runtimeList(options)));
  runtime
    .command('show <name>')
    .description('one runtime, and how its image is run')
    .option('--json', 'as JSON')
    .action(async (name: string, options: Format) => print(await (await load()).runtimeShow(name, options)));
  runtime
    .command('remove <name>')
    .description('remove a runtime that no job or service needs; VMs that have it keep it until they end')
    .action(async (name: string) => print(await (await load()).runtimeRemove(name)));
}
