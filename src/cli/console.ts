import type { ReadStream, WriteStream } from 'node:tty';
import { TidepoolError } from '../domain/errors.ts';
import type { ApiClient } from './client.ts';

/** Ctrl-], as in telnet and virsh. */
const escapeByte = 0x1d;

/**
 * `tidepool vm console`: joins this terminal to a VM's serial console until Ctrl-] or the console's end. Errors: `invalid` without a
 * terminal, `unavailable` when the console ends by itself.
 */
export async function vmConsole(
  client: ApiClient,
  name: string,
  input: ReadStream,
  output: WriteStream,
): Promise<void> {
  if (!input.isTTY)
    throw new TidepoolError(
      'invalid',
      `the console of ${name} needs a terminal, and standard input is none; to see what the guest does, run it in one`,
    );
  const socket = client.console(name);
  socket.binaryType = 'arraybuffer';
  const closed = Promise.withResolvers<string>();
  socket.addEventListener('close', (event) => closed.resolve(event.reason));
  socket.addEventListener('error', () => closed.resolve('the connection was lost'));
  socket.addEventListener('message', (event) =>
    output.write(typeof event.data === 'string' ? event.data : Buffer.from(event.data)),
  );
  const onData = (chunk: Buffer): void => {
    if (chunk.includes(escapeByte)) socket.close();
    else if (socket.readyState === WebSocket.OPEN) socket.send(chunk);
  };
  socket.addEventListener('open', () => {
    input.setRawMode(true);
    input.on('data', onData);
    input.once('end', () => socket.close());
  });
  const reason = await closed.promise;
  input.off('data', onData);
  input.setRawMode(false);
  input.pause();
  if (reason !== '') throw new TidepoolError('unavailable', `the console of ${name} ended: ${reason}`);
}
