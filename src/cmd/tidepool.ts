import { Command, CommanderError } from 'commander';
import { ApiClient } from '../cli/client.ts';
import { choiceOf, type EventOptions, eventList, followEvents, formatEvent } from '../cli/events.ts';
import { printable } from '../cli/harmless.ts';
import { hostList } from '../cli/host.ts';
import type { LoadCommandOptions } from '../cli/load/plan.ts';
import { type PoolChanges, planShow, poolList, poolPause, poolScale, poolSet, poolShow } from '../cli/pool.ts';
import type { Terminal } from '../cli/run.ts';
import type { TopOptions } from '../cli/top.ts';
import { vmDelete, vmDrain, vmList } from '../cli/vm.ts';
import { systemClock } from '../clock/system-clock.ts';
import { findServer } from '../config/connection.ts';
import { errorCodes, toTidepoolError } from '../domain/errors.ts';
import { systemFault } from '../files/system-fault.ts';
import type { EventView } from '../protocol/api.ts';
import { addAccountCommands } from './account-commands.ts';
import { beginAnew } from './begin-anew.ts';
import { addJobCommands } from './job-commands.ts';
import type { ReportOptions } from './report.ts';
import { addRuntimeCommands } from './runtime-commands.ts';
import { addServiceCommands } from './service-commands.ts';
import type { SimulateOptions } from './simulate.ts';
import { watchStandardStreams } from './stdio.ts';
import { addUpkeepCommands } from './upkeep-commands.ts';
import { version } from './version.ts';
import { addWorkerCommands } from './worker-commands.ts';

/** The command line: `tidepool --help`. Commands that need much code load it when they are called. */
const terminal: Terminal = {
  stdout: process.stdout,
  stderr: process.stderr,
  sleep: (ms) => systemClock.sleep(ms),
  onInterrupt(handler) {
    process.on('SIGINT', handler);
    return () => process.off('SIGINT', handler);
  },
};

/** Commands that have more to see to than what they print: VMs, jobs, a recording. */
const longLived: readonly string[] = ['serve', 'demo', 'worker', 'load'];
let hasMore = false;
watchStandardStreams(() => hasMore);

const program = new Command('tidepool')
  .description('A self-hosted elastic cloud that runs Python on virtual machines.')
  .version(version)
  .option('--data-dir <dir>', 'data folder of the server that is meant (default: the one that runs)')
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'tidepool: ')) })
  .hook('preAction', (_program, command) => {
    hasMore = longLived.includes(command.name());
  });

async function client(): Promise<ApiClient> {
  return new ApiClient(await findServer(program.opts<{ dataDir?: string }>().dataDir));
}

/** An option that may be repeated. */
function collect(value: string, all: string[]): string[] {
  return [...all, value];
}

function print(text: string): void {
  process.stdout.write(`${printable(text)}\n`);
}

program
  .command('serve')
  .description('run the server until Ctrl-C (npm start)')
  .option('--port <port>', 'HTTP port; 0 takes a free one')
  .option('--data-dir <dir>', 'database, files, logs, admin.token')
  .option('--config <file>', 'JSON configuration (docs/configuration.md)')
  .option('--url <uri>', "libvirt's URI, e.g. qemu:///session; wins over the configuration")
  .option('--keep-vms', 'leave the VMs running at the end, for the next start to adopt')
  .action(async (_options, command: Command) => {
    const { serve } = await import('./serve.ts');
    beginAnew();
    process.exitCode = await serve(command.optsWithGlobals());
  });

addJobCommands(program, terminal, print);

program
  .command('doctor')
  .description('what this machine needs, what is there, and how to get the rest')
  .option('--json', 'as JSON')
  .action(async (options: { json?: boolean }) => {
    const { runDoctor } = await import('./doctor.ts');
    const { moreChecks } = await import('./doctor-checks.ts');
    process.exitCode = await runDoctor({ json: options.json === true, print, moreChecks });
  });

const vm = program.command('vm').description('virtual machines of the server');
vm.command('list')
  .description('all VMs and their states')
  .option('--json', 'as JSON')
  .action(async (options) => print(await vmList(await client(), options)));

vm.command('drain <name>')
  .description('give a VM no more work, let it finish, then remove it')
  .option('--json', 'as JSON')
  .action(async (name: string, options) => print(await vmDrain(await client(), name, options)));
vm.command('delete <name>')
  .description('remove a VM at once; its jobs start again elsewhere')
  .option('--json', 'as JSON')
  .action(async (name: string, options) => print(await vmDelete(await client(), name, options)));
vm.command('console <name>')
  .description('a root shell on the VM over its serial console; leave with Ctrl-]')
  .action(async (name: string) => {
    const { vmConsole } = await import('../cli/console.ts');
    await vmConsole(await client(), name, process.stdin, process.stdout);
  });

program
  .command('host')
  .description('hosts of the server')
  .command('list')
  .description('what they have, and what VMs take of it')
  .option('--json', 'as JSON')
  .action(async (options) => print(await hostList(await client(), options)));

const pool = program.command('pool').description('pools of VMs and their autoscalers');
pool
  .command('list')
  .description('all pools with their counts')
  .option('--json', 'as JSON')
  .action(async (options) => print(await poolList(await client(), options)));
pool
  .command('show <name>')
  .description('one pool and the newest decision of its autoscaler')
  .option('--json', 'as JSON')
  .action(async (name: string, options) => print(await poolShow(await client(), name, options)));
pool
  .command('scale <name> <desired>')
  .description('set the number of VMs in service')
  .option('--json', 'as JSON')
  .action(async (name: string, desired: string, options) =>
    print(await poolScale(await client(), name, desired, options)),
  );
pool
  .command('set <name>')
  .description('change the settings of a pool')
  .option('--min <n>', 'fewest VMs in service')
  .option('--max <n>', 'most VMs in service')
  .option('--warm <n>', 'VMs kept booted and paused')
  .option('--policy <name>', 'autoscaling policy (may be repeated)', collect, [])
  .option('--no-policies', 'no autoscaling')
  .option('--json', 'as JSON')
  .action(async (name: string, { policies, ...options }: PoolChanges & { policies: boolean }) =>
    print(await poolSet(await client(), name, { ...options, noPolicy: !policies })),
  );
for (const verb of ['pause', 'resume'] as const) {
  pool
    .command(`${verb} <name>`)
    .description(verb === 'pause' ? 'the autoscaler decides, but changes nothing' : 'the autoscaler steers again')
    .option('--json', 'as JSON')
    .action(async (name: string, options) => print(await poolPause(await client(), name, verb, options)));
}

program
  .command('plan [pools...]')
  .description('what the autoscaler would do now, and why; nothing is changed')
  .option('--json', 'as JSON')
  .action(async (names: string[], options) => print(await planShow(await client(), names, options)));

program
  .command('events')
  .description('what happened to VMs and pools')
  .option('-f, --follow', 'each one as it happens')
  .option('--pool <name>', 'only those of this pool')
  .option('--name <names>', 'only these, with commas between them: vm.failed,alert.raised')
  .option('--limit <n>', 'so many of the newest', '50')
  .option('--json', 'a JSON object a line')
  .action(async (options: EventOptions & { follow?: boolean }) => {
    const api = await client();
    if (!options.follow) return print(await eventList(api, options));
    const show = (event: EventView) => print(formatEvent(event, options.json === true));
    await followEvents(api, show, terminal.sleep, undefined, choiceOf(options));
  });

program
  .command('top')
  .description('live view: CPU of each VM, counts, decisions, events (docs/live-view.md)')
  .option('--pool <name>', 'only this pool')
  .option('--record <file>', 'write a recording, for tidepool report; goes on with one that is there')
  .option('--interval <time>', 'time from one look to the next', '1s')
  .option('--for <time>', 'end after this time; without it at q or Ctrl-C')
  .option('--plain', 'a line for each pool instead of a full screen')
  .action(async (options: TopOptions, command: Command) => {
    const { runTop } = await import('./top.ts');
    await runTop(command.optsWithGlobals<{ dataDir?: string }>().dataDir, options);
  });

program
  .command('load')
  .description(
    'load for a service, from a console or as the options say; response times, live and recorded (docs/load.md)',
  )
  .argument('<service>', 'its name')
  .option('--mode <mode>', 'low, mid or high, instead of a console')
  .option('--every <seconds>', 'a request each so many seconds, instead of a console')
  .option('--rate <r>', 'so many requests a second, or max: as fast as the connections can; instead of a console')
  .option('--rates <low,mid,high>', 'what the modes are, in requests a second', '1,5,20')
  .option('--for <time>', 'end after this time; without it at Ctrl-C')
  .option(
    '--connections <n>',
    'most connections (udp: sockets) to one server (default: 500, udp: 100); of --rate max: how many there are (50)',
  )
  .option('--timeout <time>', 'a request that has not been answered by then has failed', '10s')
  .option('--path <template>', 'http: what is asked; {n} is the number of the request, {random:1-9} a number', '/')
  .option('--method <method>', 'http: default GET, or POST with a body')
  .option('--body <template>', 'http: what is sent')
  .option('--payload <template>', 'tcp: the line, udp: the datagram; as text, or 0x and hexadecimal digits')
  .option('--direct', 'send to the VMs, not to the front door')
  .option('--record <file>', 'write a recording, for tidepool report; goes on with one that is there')
  .option('--log <file>', 'append to a log')
  .option('--loglevel <level>', 'debug, info, warning or error (default: info); without --log to standard error')
  .option('--plain', 'a line a second, also on a terminal')
  .option('--json', 'only the result, as JSON')
  .option('--fail-on-error', 'exit code 1 when any request failed')
  .action(async (service: string, options: LoadCommandOptions, command: Command) => {
    const { runLoad } = await import('./load.ts');
    process.exitCode = await runLoad(command.optsWithGlobals<{ dataDir?: string }>().dataDir, service, options);
  });

program
  .command('report')
  .description('a page and a plot of a recording that top or load has written (docs/live-view.md)')
  .argument('<file>', 'the recording')
  .option('--out <dir-or-html>', 'folder for page and plot, or the page (default: the page beside the recording)')
  .option('--svg <file>', 'the plot as SVG')
  .option('--json', 'the summary as JSON')
  .action(async (file: string, options: ReportOptions) => {
    const { report } = await import('./report.ts');
    print(await report(file, options));
  });

program
  .command('simulate')
  .description('play a recorded load to the autoscaler and compare policies (docs/autoscaling.md)')
  .requiredOption('--trace <file>', 'CSV: a heading, then time,requests')
  .option('--policy <name>', 'preset, or several as a+b (may be repeated)', collect, [])
  .option('--vm-capacity <r>', 'requests a second that one VM serves')
  .option('--boot <time>', 'from the launch of a VM to its being ready')
  .option('--p99 <time>', 'response time that the demand keeps')
  .option('--speed <x>', 'simulated seconds a second, and tell each change; as fast as it can without')
  .option('--json', 'as JSON')
  .action(async (options: SimulateOptions) => {
    const { simulate } = await import('./simulate.ts');
    print(await simulate(options));
  });

program
  .command('demo')
  .description('show all of it once, with a cloud of its own, in under five minutes (npm run demo)')
  .option('--html <file>', 'the page with the picture of it', 'tidepool-demo.html')
  .action(async ({ html }: { html: string }) => {
    process.exitCode = await (await import('./demo.ts')).demo(html);
  });

const image = program.command('image').description('golden images of this machine');
image
  .command('build')
  .description('build the golden image, if it is not there')
  .option('--json', 'as JSON')
  .action(async (options) => print(await (await import('./image.ts')).imageBuild(options)));
image
  .command('list')
  .description('images that are there')
  .option('--json', 'as JSON')
  .action(async (options) => print(await (await import('./image.ts')).imageList(options)));

image
  .command('prune')
  .description('remove images and old runtimes that no installation with this cache needs')
  .option('--keep <number>', 'newest images that stay in any case', '3')
  .option('--dry-run', 'only say what would go')
  .option('--json', 'as JSON')
  .action(async (options) => print(await (await import('./image.ts')).imagePrune(options)));

addRuntimeCommands(program, print);
addAccountCommands(program, print);
addServiceCommands(program, terminal, print);
addWorkerCommands(program, client, print);
addUpkeepCommands(program, print);

try {
  await program.parseAsync();
} catch (thrown) {
  process.exitCode = fail(thrown);
}

/** Prints an error as one sentence, never as a trace of ours, and gives its exit code. */
function fail(thrown: unknown): number {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : errorCodes.invalid.exitCode;
  const error = toTidepoolError(systemFault(thrown));
  const trace = error.code === 'internal' ? `\n${(error.cause instanceof Error ? error.cause : error).stack}` : '';
  process.stderr.write(printable(`tidepool: ${error.message}${trace}\n`));
  return errorCodes[error.code].exitCode;
}
