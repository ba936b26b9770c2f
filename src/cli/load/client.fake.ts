import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { FakeCloud } from './cloud.fake.ts';

const command = join(import.meta.dirname, '../../cmd/tidepool.ts');
const limitMs = 20_000;

/** A process of `tidepool load`, and what it has said so far. */
export class Client {
  readonly child: ChildProcessWithoutNullStreams;
  output = '';
  errors = '';
  readonly #ended: Promise<unknown[]>;
  #onOutput: () => void = () => undefined;

  constructor(context: TestContext, cloud: FakeCloud, args: readonly string[]) {
    const env = { ...process.env, TIDEPOOL_URL: cloud.url, TIDEPOOL_TOKEN: 't' };
    this.child = spawn(process.execPath, [command, 'load', ...args], { env });
    this.#ended = once(this.child, 'close');
    this.child.stdin.on('error', () => undefined);
    this.child.stdout.on('data', (chunk) => {
      this.output += chunk;
      this.#onOutput();
    });
    this.child.stderr.on('data', (chunk) => {
      this.errors += chunk;
      this.#onOutput();
    });
    context.after(() => this.child.kill('SIGKILL'));
  }

  type(line: string): void {
    this.child.stdin.write(`${line}\n`);
  }

  /** Waits until this has been said since the last call for it. */
  async says(pattern: RegExp): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const limit = setTimeout(
      () => reject(new Error(`never said ${pattern}:\n${this.output}\n${this.errors}`)),
      limitMs,
    );
    this.#onOutput = () => {
      if (!pattern.test(this.output + this.errors)) return;
      this.output = this.output.replace(pattern, '');
      this.errors = this.errors.replace(pattern, '');
      resolve();
    };
    this.#onOutput();
    await promise.finally(() => clearTimeout(limit));
    this.#onOutput = () => undefined;
  }

  async ended(): Promise<number | null> {
    const limit = setTimeout(() => this.child.kill('SIGKILL'), limitMs);
    const [code] = await this.#ended;
    clearTimeout(limit);
    return code as number | null;
  }
}

/** A cloud with the service `fib`. @param port of its front door, if it has one */
export async function fakeCloud(
  context: TestContext,
  protocol: 'http' | 'udp',
  port: number | null,
): Promise<FakeCloud> {
  const address = port === null ? null : { host: '127.0.0.1', port };
  const cloud = new FakeCloud({ name: 'fib', protocol, address });
  await cloud.listen();
  context.after(() => cloud.close());
  return cloud;
}
