import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { promisify } from 'node:util';
import { systemClock } from '../../src/clock/system-clock.ts';
import { hasCode } from '../../src/domain/errors.ts';
import { openConnection } from '../../src/libvirt/open-connection.ts';
import { procedures } from '../../src/libvirt/procedures.ts';
import { startSessionDaemon } from '../../src/libvirt/session-daemon.ts';
import { ScriptedPeer } from '../support/scripted-peer.ts';

const run = promisify(execFile);
let folder: string;
let peer: ScriptedPeer;
let peerSocket: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidepool-transport-'));
  peer = await ScriptedPeer.start();
  peerSocket = new URL(peer.uri).searchParams.get('socket') ?? '';
});
after(async () => {
  await peer.stop();
  await rm(folder, { recursive: true });
});

function open(uri: string, env: Record<string, string | undefined> = {}) {
  return openConnection({ uri, clock: systemClock, env }, () => undefined, false);
}

/** Connects, asks the peer something by it, and closes. */
async function talk(uri: string, env: Record<string, string | undefined> = {}): Promise<void> {
  const index = peer.connections.length;
  const connection = await open(uri, env);
  const far = await peer.connection(index);
  const hostname = connection.call(procedures.connectGetHostname, undefined);
  const call = await far.takeCall(procedures.connectGetHostname);
  far.reply(call, procedures.connectGetHostname, { hostname: 'far' });
  assert.deepEqual(await hostname, { hostname: 'far' });
  connection.close();
}

function relay(near: Socket): void {
  const far = connect(peerSocket);
  near.pipe(far).pipe(near);
  for (const [one, other] of [
    [near, far],
    [far, near],
  ] as const) {
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function script(name: string, text: string): Promise<string> {
  const bin = join(folder, `bin-${name}`);
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, name), `#!/bin/sh\n${text}\n`);
  await chmod(join(bin, name), 0o755);
  return bin;
}

test('tcp', async () => {
  const server = createServer(relay);
  const port = await listen(server);
  await talk(`test+tcp://127.0.0.1:${port}/default`);
  server.close();
  await assert.rejects(open(`test+tcp://127.0.0.1:${port}/default`), (error) => hasCode(error, 'unavailable'));
});

test('ssh: the far command gets the socket, and a refusal says what ssh said', async () => {
  // Stands for ssh: notes its words, and runs the far command here.
  const node = JSON.stringify(process.execPath);
  const relay = `require("net").connect(process.argv[1],function(){process.stdin.pipe(this).pipe(process.stdout)})`;
  const good = await script(
    'ssh',
    `printf '%s\\n' "$@" > ${folder}/words
exec ${node} -e '${relay}' ${peerSocket}`,
  );
  await talk('test+ssh://me@far.example:2222/default', { PATH: `${good}:${process.env.PATH}` });
  const words = (await readFile(join(folder, 'words'), 'utf8')).split('\n');
  assert.ok(words.includes('BatchMode=yes'));
  assert.equal(words[words.indexOf('-p') + 1], '2222');
  assert.equal(words[words.indexOf('--') + 1], 'me@far.example');
  assert.match(words[words.indexOf('--') + 2] ?? '', /virt-ssh-helper .*test:\/\/\/default/);

  const bad = await script('ssh', 'echo "me@far.example: Permission denied (publickey)." >&2; exit 255');
  await assert.rejects(open('test+ssh://me@far.example/default', { PATH: `${bad}:${process.env.PATH}` }), (error) => {
    assert.ok(hasCode(error, 'unavailable'));
    assert.match(error.message, /Permission denied/);
    return true;
  });
});

test('tls: both sides show certificates, and the daemon says whether it takes ours', async () => {
  await certificates(folder);
  const [ca, cert, key] = await Promise.all(
    ['cacert', 'clientcert', 'clientkey'].map((file) => readFile(join(folder, `${file}.pem`))),
  );
  let verdict = 1;
  const server = createTlsServer({ ca, cert, key, requestCert: true, rejectUnauthorized: true }, (near) => {
    near.on('error', () => undefined);
    if (verdict === 0) {
      near.end(Uint8Array.of(verdict));
    } else {
      near.write(Uint8Array.of(verdict));
      relay(near);
    }
  });
  const port = await listen(server);
  await talk(`test+tls://localhost:${port}/default?pkipath=${folder}`);
  verdict = 0;
  await assert.rejects(open(`test+tls://localhost:${port}/default?pkipath=${folder}`), (error) => {
    assert.ok(hasCode(error, 'unavailable'));
    assert.match(error.message, /refused our certificate/);
    return true;
  });
  await assert.rejects(open(`test+tls://localhost:${port}/default?pkipath=/nonexistent`), (error) =>
    hasCode(error, 'invalid'),
  );
  server.close();
});

/** One key that is its own authority, for both sides. */
async function certificates(target: string): Promise<void> {
  const words = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const files = ['-keyout', join(target, 'clientkey.pem'), '-out', join(target, 'clientcert.pem')];
  await run('openssl', [...words, ...subject, ...files]);
  await writeFile(join(target, 'cacert.pem'), await readFile(join(target, 'clientcert.pem')));
}

test('a session daemon that ends at once is reported with what it said', async () => {
  const bin = await script('virttestd', 'echo "error: no home" >&2; exit 3');
  const starting = startSessionDaemon('test', { PATH: bin }, systemClock, async () => false);
  await assert.rejects(starting, (error) => {
    assert.ok(hasCode(error, 'unavailable'));
    assert.match(error.message, /virttestd could not be started: it ended with 3 \(error: no home\)/);
    return true;
  });
});

test("a session daemon that ends because another client's has begun is no error: that one is waited for", async () => {
  const up = join(folder, 'up');
  const bin = await script('virttestd', `(/bin/sleep 2; : > ${up}) > /dev/null 2>&1 &\nexit 1`);
  await startSessionDaemon('test', { PATH: bin }, systemClock, async () => existsSync(up));
});
