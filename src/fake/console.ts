import { Duplex } from 'node:stream';

/** A serial console that echoes each line, followed by what the guest prints for it. */
export function fakeConsole(answer: (line: string) => string): Duplex {
  return new Duplex({
    allowHalfOpen: false,
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      for (const line of chunk.toString().split('\n').slice(0, -1)) this.push(`${line}\r\n${answer(line)}\r\n`);
      done();
    },
  });
}
