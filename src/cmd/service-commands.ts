import type { Command } from 'commander';
import { ApiClient } from '../cli/client.ts';
import {
  type LogOptions,
  serviceChange,
  serviceDelete,
  serviceList,
  serviceLogs,
  serviceShow,
} from '../cli/service.ts';
import { ServiceClient } from '../cli/service-client.ts';
import { type DeployOptions, type DeployTerminal, serviceDeploy } from '../cli/service-deploy.ts';
import { type EndpointOptions, endpointList, watchEndpoints } from '../cli/service-endpoints.ts';
import { systemClock } from '../clock/system-clock.ts';
import { findServer } from '../config/connection.ts';
import { interruptSignal } from './interrupt.ts';
import { sameServer } from './same-server.ts';

interface Format {
  readonly json?: boolean;
}

/** Adds `service` to the command line (docs/services.md). */
export function addServiceCommands(program: Command, terminal: DeployTerminal, print: (text: string) => void): void {
  const dataDir = (): string | undefined => program.opts<{ dataDir?: string }>().dataDir;
  const client = async (): Promise<ServiceClient> => new ServiceClient(new ApiClient(await findServer(dataDir())));
  const service = program.command('service').description('services: Python handlers that answer from a pool of VMs');
  addDeploy(service, client, terminal);
  addLooks(service, client, print);
  addChanges(service, client, print);
  service
    .command('endpoints <name>')
    .description('where the VMs of a service answer')
    .option('-w, --watch', 'each change as it happens, until the service is gone')
    .option('--commands', 'as lines `+ IP PORT` and `- IP PORT`, and nothing else')
    .option('--json', 'as JSON; with --watch an object a line')
    .action(async (name: string, options: EndpointOptions) => {
      if (!options.watch) {
        const list = await endpointList(await client(), name, options);
        if (list !== '') print(list);
        return;
      }
      await watch(dataDir(), name, options, print);
    });
}

function addDeploy(service: Command, client: () => Promise<ServiceClient>, terminal: DeployTerminal): void {
  const collect = (value: string, all: string[]): string[] => [...all, value];
  service
    .command('deploy')
    .description('deploy a Python file with a function `handler`, or with --command a program that listens on $PORT')
    .argument('[file-or-command...]', 'the file; with --command, after --, the program and its arguments')
    .option('--command', 'run a program instead of a handler')
    .option('--file <path>', 'a file beside it in its working folder (may be repeated)', collect, [])
    .option('--name <name>', 'of the service (default: that of the file)')
    .option('--runtime <name>', 'Python and its libraries: python, ml, ...')
    .option('--protocol <protocol>', 'http, tcp (lines) or udp (datagrams); http unless given at first')
    .option('--port <port>', 'where clients connect (default: a free one)')
    .option('--min <n>', 'fewest VMs in service')
    .option('--max <n>', 'most VMs in service')
    .option('--warm <n>', 'VMs kept booted and paused')
    .option('--policy <name>', 'autoscaling policy (may be repeated)', collect, [])
    .option('--flavor <name>', 'size of the VMs')
    .option('--env <name=value>', 'environment variable (may be repeated)', collect, [])
    .option('--processes <n>', 'processes on each VM (default: one a vCPU)')
    .option('--timeout <time>', 'longest that a request may take, e.g. 30s')
    .option('--max-body <size>', 'longest body of a request, e.g. 1M')
    .option('--no-wait', 'do not wait until it serves or has failed')
    .option('--json', 'as JSON')
    .action(async (args: string[], options: DeployOptions) => {
      process.exitCode = await serviceDeploy(await client(), terminal, args, options);
    });
}

function addLooks(service: Command, client: () => Promise<ServiceClient>, print: (text: string) => void): void {
  service
    .command('list')
    .description('all services')
    .option('--json', 'as JSON')
    .action(async (options: Format) => print(await serviceList(await client(), options)));
  service
    .command('show <name>')
    .description('one service: state, figures, revisions, its last failure')
    .option('--json', 'as JSON')
    .action(async (name: string, options: Format) => print(await serviceShow(await client(), name, options)));
  service
    .command('logs <name>')
    .description('the newest lines that its processes wrote')
    .option('--vm <name>', 'only on this VM')
    .option('--tail <n>', 'so many lines', '100')
    .option('--json', 'as JSON')
    .action(async (name: string, options: LogOptions) => {
      const lines = await serviceLogs(await client(), name, options);
      if (lines !== '') print(lines);
    });
}

function addChanges(service: Command, client: () => Promise<ServiceClient>, print: (text: string) => void): void {
  const verbs = [
    ['stop', 'shut its VMs down; nothing of it is lost'],
    ['start', 'run a stopped service again'],
    ['rollback', 'deploy again what served before; during a rollout, what serves'],
  ] as const;
  for (const [verb, description] of verbs) {
    service
      .command(`${verb} <name>`)
      .description(description)
      .option('--json', 'as JSON')
      .action(async (name: string, options: Format) => print(await serviceChange(await client(), name, verb, options)));
  }
  service
    .command('delete <name>')
    .description('shut its VMs down, then delete it with its revisions and what its handlers kept')
    .option('--json', 'as JSON')
    .action(async (name: string, options: Format) => print(await serviceDelete(await client(), name, options)));
}

async function watch(
  dataDir: string | undefined,
  service: string,
  options: EndpointOptions,
  print: (text: string) => void,
): Promise<void> {
  const feed = {
    service,
    clock: systemClock,
    signal: interruptSignal(),
    connect: await sameServer(dataDir),
  };
  await watchEndpoints(feed, options, print, (problem) => {
    process.stderr.write(problem === null ? 'tidepool: connected again\n' : `tidepool: ${problem}\n`);
  });
}
