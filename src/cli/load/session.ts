import { TidepoolError, toTidepoolError } from '../../domain/errors.ts';
import { mostServers } from '../../loadgen/dispatcher.ts';
import { Load } from '../../loadgen/load.ts';
import type { Message } from '../../loadgen/message.ts';
import type { LoadRequest } from '../../loadgen/request.ts';
import type { ServerAddress } from '../../loadgen/server.ts';
import { clean } from '../top/spans.ts';
import type { Display } from './display.ts';
import type { Log, LogLevel } from './log.ts';
import { everyPace, type LoadPlan, limitsOf, type NamedPace } from './plan.ts';
import type { Records } from './records.ts';
import { ServerList } from './server-list.ts';
import type { Endpoint, EndpointEvent, ServiceFacts, ServiceFeed, ServiceListener } from './service.ts';
import { type LoadView, statusText, summaryText } from './status.ts';
import { type Command, helpText, parseCommand } from './words.ts';

/** Time as the session needs it. */
export interface SessionClock {
  /** Milliseconds since 1970, with fractions; never steps back. */
  now(): number;
  after(ms: number, fn: () => void): () => void;
  /** Resolves after `ms`; rejects with code `aborted` when the signal fires first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface SessionOptions {
  readonly facts: ServiceFacts;
  readonly plan: LoadPlan;
  readonly message: Message;
  /** Send to the VMs themselves even where there is a front door. */
  readonly isDirect: boolean;
  readonly clock: SessionClock;
  readonly feed: ServiceFeed;
  readonly display: Display;
  readonly log: Log | undefined;
  readonly records: Records | undefined;
  /** Called when somebody typed `exit`. */
  onExit(): void;
}

const off: NamedPace = { pace: { kind: 'off' }, words: 'off' };
const frontDoor = 'front door';
const toldServers = 20;

/** One run of the load client: what its user says and its service tells, brought to the engine. */
export class Session implements ServiceListener {
  readonly #options: SessionOptions;
  readonly #load: Load;
  readonly #list = new ServerList();
  #address: ServiceFacts['address'];
  #pace = off;
  #log: Log | undefined;
  #records: Records | undefined;
  /** The next list of servers is told. */
  #tellsList = true;

  constructor(options: SessionOptions) {
    const { facts, plan, clock, message } = options;
    this.#options = options;
    this.#log = options.log;
    this.#records = options.records;
    this.#address = options.isDirect ? null : facts.address;
    this.#load = new Load({
      clock,
      message,
      ...limitsOf(plan, facts.protocol),
      onEnd: (request) => this.#ended(request),
    });
    this.#listFrontDoor();
  }

  /** What is known now; the recent figures are those since the last call. */
  view(): LoadView {
    const { facts, clock } = this.#options;
    return {
      service: facts.name,
      protocol: facts.protocol,
      pace: this.#pace.words,
      atMs: clock.now(),
      recent: this.#load.takeRecent(),
      total: this.#load.totals(),
      inFlight: this.#load.inFlight,
      servers: this.#load.servers.length,
    };
  }

  /** Makes requests in this way from now on. */
  setPace(pace: NamedPace): void {
    this.#pace = pace;
    this.#note('info', `pace: ${pace.words}`);
    this.#load.setPace(pace.pace);
  }

  /** Once a second. */
  show(): void {
    const view = this.view();
    const failed = view.recent.ended - view.recent.ok;
    if (view.recent.ended > 0) this.#note(failed > 0 ? 'warning' : 'info', statusText(view));
    this.#options.display.show(view);
  }

  /** Once a second: what has gathered is written down. A file that cannot be written is said once and left. */
  async write(): Promise<void> {
    await this.#log?.flush().catch((error: unknown) => {
      this.#log = undefined;
      this.#complain(error);
    });
    await this.#records?.write().catch((error: unknown) => {
      this.#records = undefined;
      this.#complain(error);
    });
  }

  /** No more requests; waits for those under way, at most so long. */
  async end(graceMs: number): Promise<void> {
    this.setPace(off);
    const { inFlight } = this.#load;
    if (inFlight > 0) this.#options.display.say(`waiting for ${inFlight} request${inFlight === 1 ? '' : 's'}`);
    await this.#load.end(graceMs);
  }

  /** All of the run, also into the log. */
  sum(): LoadView {
    const view = this.view();
    this.#note('info', summaryText(view));
    return view;
  }

  /** A line of the console. */
  take(line: string): void {
    const command = parseCommand(line);
    const { display, plan, onExit } = this.#options;
    switch (command.kind) {
      case 'nothing':
        break;
      case 'mode':
        this.#change(plan.modes[command.mode]);
        break;
      case 'every':
        this.#change(everyPace(command.everyMs));
        break;
      case 'off':
        this.#change(off);
        break;
      case 'help':
        display.say(helpText);
        break;
      case 'refresh':
        void this.#refresh().catch((error: unknown) => this.#complain(error));
        break;
      case 'exit':
        onExit();
        break;
      case 'wrong':
        this.#note('warning', `not understood: ${clean(line)}`);
        display.warn(clean(command.problem));
        break;
      default:
        this.#changeServers(command);
    }
  }

  /** Something happened to the service's VMs. */
  happened({ name, data }: EndpointEvent): void {
    const isBalancedHere = this.#address === null;
    if (name === 'launching') this.#tell(`${data.vm} is launching`);
    else if (name === 'failed') this.#tell(`${data.vm} failed: ${data.reason}`, 'warning');
    else if (name === 'endpoints') {
      if (isBalancedHere) this.#list.list(data.map(serverOf));
      this.#applyServers();
      if (this.#tellsList) this.#tell(this.#serversInWords());
      this.#tellsList = false;
    } else if (name === 'added') {
      if (isBalancedHere) this.#list.listAlso(serverOf(data));
      this.#applyServers();
      this.#tell(`+ ${data.host} ${data.port}  ${data.vm} serves`);
    } else {
      if (isBalancedHere) this.#list.unlist(data);
      this.#applyServers();
      this.#tell(`- ${data.host} ${data.port}  ${data.vm} serves no more: ${data.reason}`);
    }
  }

  /** The stream of the service's events has broken, or (null) is back. */
  troubled(problem: string | null): void {
    if (problem === null) this.#tell('the cloud tells of its servers again');
    else this.#complain(new TidepoolError('unavailable', `the cloud no longer tells of its servers: ${problem}`));
  }

  /** Into the log, if there is one. */
  #note(level: LogLevel, text: string): void {
    this.#log?.write(level, this.#options.clock.now(), text);
  }

  #tell(text: string, level: LogLevel = 'info'): void {
    this.#note(level, clean(text));
    this.#options.display.say(clean(text));
  }

  #complain(error: unknown): void {
    const { message } = toTidepoolError(error);
    this.#note('error', message);
    this.#options.display.warn(clean(message));
  }

  #change(pace: NamedPace): void {
    this.setPace(pace);
    this.#options.display.say(pace.words);
  }

  #changeServers(command: Extract<Command, { kind: 'add' | 'remove' | 'clear' | 'servers' }>): void {
    if (command.kind === 'clear') this.#list.clear();
    if (command.kind === 'add' && this.#list.all.length >= mostServers) {
      this.#complain(new TidepoolError('exhausted', `there are ${mostServers} servers, and no more are taken`));
    } else if (command.kind === 'add' && !this.#list.add(command)) {
      this.#tell(`${command.host} ${command.port} is there already`);
    } else if (command.kind === 'remove' && !this.#list.remove(command)) {
      this.#tell(`${command.host} ${command.port} is not there`);
    } else {
      this.#applyServers();
      this.#tell(this.#serversInWords());
    }
  }

  async #refresh(): Promise<void> {
    const { feed, isDirect } = this.#options;
    const { address } = await feed.facts();
    this.#address = isDirect ? null : address;
    this.#list.reset();
    this.#listFrontDoor();
    this.#tellsList = true;
    feed.refresh();
  }

  #listFrontDoor(): void {
    if (this.#address !== null) this.#list.list([{ name: frontDoor, ...this.#address }]);
    this.#applyServers();
  }

  #applyServers(): void {
    this.#load.setServers(this.#list.all);
  }

  #serversInWords(): string {
    const { all } = this.#list;
    if (all.length === 0) return 'no servers';
    const named = all
      .slice(0, toldServers)
      .map(({ name, host, port }) => (name === `${host}:${port}` ? name : `${name} ${host}:${port}`));
    const rest = all.length > toldServers ? `, and ${all.length - toldServers} more` : '';
    return `${all.length} server${all.length === 1 ? '' : 's'}: ${named.join(', ')}${rest}`;
  }

  #ended(request: LoadRequest): void {
    this.#records?.request(request);
    if (this.#log?.takes('debug') !== true) return;
    const { number, outcome, server, dueMs, endedMs } = request;
    this.#note(
      'debug',
      `request ${number}: ${outcome}${server === '' ? '' : ` by ${clean(server)}`} in ${(endedMs - dueMs).toFixed(3)} ms`,
    );
  }
}

function serverOf({ vm, host, port }: Endpoint): ServerAddress {
  return { name: vm, host, port };
}
