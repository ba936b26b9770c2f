import { randomUUID } from 'node:crypto';
import { Duplex } from 'node:stream';
import type { ApiClient } from '../../src/cli/client.ts';

const answerLimitMs = 120_000;
/** From when the guest begins to boot. */
const wakeLimitMs = 300_000;
/** The guest's line editor takes no longer lines. */
const maxCommandBytes = 900;

/** The root shell on a guest's serial console, one command at a time. */
export class GuestShell {
  readonly #console: Duplex;
  #seen = '';
  #onData: () => void = () => undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(console: Duplex) {
    this.#console = console;
    console.setEncoding('utf8');
    console.on('data', (chunk: string) => {
      this.#seen += chunk;
      this.#onData();
    });
    console.on('error', () => undefined);
    this.#queue = this.#wake();
    // Told by the first command, if there is one.
    this.#queue.catch(() => undefined);
  }

  /** Runs a command and returns what it printed. */
  run(command: string): Promise<string> {
    if (Buffer.byteLength(command) > maxCommandBytes) throw new Error('too long for the console');
    const done = this.#queue.then(() => this.#runNow(command));
    this.#queue = done.catch(() => undefined);
    return done;
  }

  /** Presses Enter, which the console waits for, until the shell shows its prompt: an early one gets lost. */
  #wake(): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = setInterval(() => this.#console.write('\n'), 300);
      const limit = setTimeout(() => done(new Error('no shell on the console')), wakeLimitMs);
      const done = (error?: Error): void => {
        clearInterval(enter);
        clearTimeout(limit);
        this.#onData = () => undefined;
        if (error === undefined) resolve();
        else reject(error);
      };
      for (const end of ['end', 'close'])
        this.#console.once(end, () => done(new Error('the console ended before there was a shell')));
      this.#onData = () => {
        if (this.#seen.includes('# ')) done();
      };
    });
  }

  async #runNow(command: string): Promise<string> {
    const mark = randomUUID().slice(0, 8);
    this.#seen = '';
    // The quotes keep the echo of the line itself from looking like the marks.
    this.#console.write(`echo BEG"IN"-${mark}; ${command}; echo E"ND"-${mark}\n`);
    const pattern = new RegExp(`BEGIN-${mark}\\r?\\n([^]*?)END-${mark}`);
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`no answer on the console:\n${this.#seen}`)), answerLimitMs);
      this.#onData = () => {
        const found = pattern.exec(this.#seen)?.[1];
        if (found === undefined) return;
        clearTimeout(limit);
        resolve(found.replaceAll('\r', ''));
      };
    });
  }
}

/** The serial console of a server's VM, as the API gives it. */
export function consoleOf(client: ApiClient, vm: string): Duplex {
  const socket = client.console(vm);
  socket.binaryType = 'arraybuffer';
  const opened = new Promise<void>((resolve) => socket.addEventListener('open', () => resolve(), { once: true }));
  const duplex = new Duplex({
    read: () => undefined,
    write: (chunk, _encoding, done) => void opened.then(() => socket.send(chunk)).then(() => done(), done),
    destroy: (error, done) => {
      socket.close();
      done(error);
    },
  });
  socket.addEventListener('message', ({ data }) => duplex.push(Buffer.from(data)));
  socket.addEventListener('close', () => duplex.push(null));
  return duplex;
}
