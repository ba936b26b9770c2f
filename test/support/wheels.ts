import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';

/** Writes a wheel of one pure Python module into a folder. @param requires other projects that it needs */
export async function writeWheel(
  folder: string,
  name: string,
  version: string,
  source: string,
  requires: readonly string[] = [],
): Promise<void> {
  const info = `${name}-${version}.dist-info`;
  const metadata = [
    'Metadata-Version: 2.1',
    `Name: ${name}`,
    `Version: ${version}`,
    ...requires.map((one) => `Requires-Dist: ${one}`),
  ];
  const files: [string, string][] = [
    [`${name}.py`, source],
    [`${info}/METADATA`, `${metadata.join('\n')}\n`],
    [`${info}/WHEEL`, 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n'],
  ];
  const record = files.map(([path, text]) => {
    const digest = createHash('sha256').update(text).digest('base64url');
    return `${path},sha256=${digest},${Buffer.byteLength(text)}`;
  });
  const zip = new ZipFile();
  for (const [path, text] of [...files, [`${info}/RECORD`, `${record.join('\n')}\n${info}/RECORD,,\n`] as const]) {
    zip.addBuffer(Buffer.from(text), path);
  }
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(join(folder, `${name}-${version}-py3-none-any.whl`)));
}

/** A package index (PEP 503) of a folder's wheels on 127.0.0.1. */
export async function serveIndex(
  folder: string,
): Promise<{ url: string; host: string; requests: string[] } & AsyncDisposable> {
  const requests: string[] = [];
  const server = createServer(async (request, answer) => {
    const path = decodeURIComponent(request.url ?? '');
    requests.push(path);
    const project = /^\/simple\/([a-z0-9-]+)\/$/.exec(path)?.[1];
    const file = /^\/files\/([\w.-]+\.whl)$/.exec(path)?.[1];
    const wheels = (await readdir(folder)).filter((name) => project !== undefined && name.startsWith(`${project}-`));
    if (wheels.length > 0) {
      answer.setHeader('content-type', 'text/html');
      answer.end(wheels.map((name) => `<a href="/files/${name}">${name}</a>`).join('\n'));
    } else if (file !== undefined) answer.end(await readFile(join(folder, file)));
    else answer.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${host}/simple/`,
    host,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
