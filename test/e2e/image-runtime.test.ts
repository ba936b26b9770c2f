import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { systemClock } from '../../src/clock/system-clock.ts';
import { ensureRuntime } from '../../src/cmd/artifacts.ts';
import { type OwnCache, ownCache } from '../support/own-cache.ts';
import { until } from '../support/poll.ts';
import { startServer, type TestServer, temporaryFolder, tidepool } from '../support/server.ts';
import { writeWheel } from '../support/wheels.ts';

const run = promisify(execFile);

/** A server with a cache of its own: runtimes that are added reach no other test. */
let server: TestServer;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let cache: OwnCache;
let dataDir = '';

before(async () => {
  folder = await temporaryFolder('image-runtime');
  dataDir = join(folder.path, 'data');
  cache = await ownCache();
  await addRuntimes();
  const wheels = join(cache.path, 'wheels');
  await mkdir(wheels);
  await writeWheel(wheels, 'greet', '1.0', 'def hello(who):\n    return f"hello {who}"\n');
  const config = join(folder.path, 'config.json');
  await writeFile(config, JSON.stringify({ jobs: { pip: { wheelDir: wheels } } }));
  server = await startServer(dataDir, ['--config', config]);
});
after(async () => {
  server.signal('SIGINT');
  assert.equal(await server.ended, 0, server.output());
  await cache.remove();
  await folder.remove();
});

/** A base image of packages, as an archive in the OCI layout; then what a user writes: a Dockerfile on top of it. */
async function addRuntimes(): Promise<void> {
  const signal = new AbortController().signal;
  const python = await ensureRuntime('python', cache.path, systemClock, signal);
  const base = join(folder.path, 'base');
  await mkdir(base);
  await run('unsquashfs', ['-no-progress', '-d', join(base, 'root'), python.path]);
  await run('tar', ['-C', join(base, 'root'), '-cf', join(base, 'root.tar'), '.']);
  await rm(join(base, 'root'), { recursive: true });
  await writeFile(join(base, 'Dockerfile'), 'FROM scratch\nADD root.tar /\nENV FROM_BASE=yes\n');
  const store = ['--root', join(base, 'store'), '--runroot', join(base, 'run'), '--storage-driver', 'vfs'];
  await run('buildah', [...store, 'build', '--isolation', 'chroot', '-t', 'base', base], { maxBuffer: 2 ** 26 });
  await run('buildah', [...store, 'push', 'base', `oci-archive:${join(folder.path, 'base.tar')}`]);
  await rm(base, { recursive: true });
  await add('lab', { dockerfile: dockerfile('lab', userDockerfile, { 'test.py': testScript, 'answer.txt': '42\n' }) });
}

const testScript = `
import os, sys
print('args', sys.argv[1:])
print('user', os.getuid(), os.getgid())
print('folder', os.getcwd(), sorted(os.listdir('.')))
print('environment', os.environ['GREETING'], os.environ['FROM_BASE'], os.environ.get('OWN'))
print('answer', open('answer.txt').read().strip(), open('/opt/made-at-build').read().strip())
open('notes.txt', 'w').write('the working folder can be written')
open('out/result.txt', 'w').write('kept')
if os.path.exists('data/n.txt'): print('data', open('data/n.txt').read())
try:
    open('/etc/passwd', 'a')
except OSError as error:
    print('root', error.strerror)
sys.exit(7)
`;

const userDockerfile = (base: string): string => `FROM oci-archive:${base}
RUN mkdir -p /opt && echo built > /opt/made-at-build && echo 'lab:x:4321:99::/app:/bin/sh' >> /etc/passwd && rm -rf /usr/share/zoneinfo
COPY . /app/
WORKDIR /app
ENV GREETING="good morning"
USER lab
ENTRYPOINT ["python3"]
CMD ["test.py", "from-image"]
`;

async function dockerfile(
  name: string,
  text: (base: string) => string,
  files: Record<string, string>,
): Promise<string> {
  const context = join(folder.path, name);
  await mkdir(context);
  await writeFile(join(context, 'Dockerfile'), text(join(folder.path, 'base.tar')));
  for (const [file, content] of Object.entries(files)) await writeFile(join(context, file), content);
  return context;
}

async function add(name: string, from: { dockerfile: Promise<string> }): Promise<void> {
  const added = await tidepool(dataDir, ['runtime', 'add', name, '--dockerfile', await from.dockerfile]);
  assert.equal(added.code, 0, added.stderr);
}

test('the command of a Dockerfile runs as a job: user, folder, environment and arguments are its own', async () => {
  const out = join(folder.path, 'results');
  const result = await tidepool(dataDir, ['run', '--image', '--runtime', 'lab', '--env', 'OWN=mine', '--out', out]);
  assert.deepEqual(result, {
    code: 7,
    stderr: '',
    stdout: `args ['from-image']
user 4321 99
folder /app ['Dockerfile', 'answer.txt', 'out', 'test.py']
environment good morning yes mine
answer 42 built
root Read-only file system
`,
  });
  const { stdout } = await run('ls', [out]);
  assert.equal(stdout, 'result.txt\n');
});

test("a job's arguments take the place of the image's, and a dataset is beside what the image has", async () => {
  const data = join(folder.path, 'dataset');
  await mkdir(data);
  await writeFile(join(data, 'n.txt'), '17');
  const result = await tidepool(dataDir, ['run', '--image', '--runtime', 'lab', '--data', data, '--', 'test.py', '-x']);
  assert.match(result.stdout, /^args \['-x'\]\n/);
  assert.match(result.stdout, /\ndata 17\n/);
  assert.match(result.stdout, /folder \/app \['Dockerfile', 'answer.txt', 'data', 'out', 'test.py'\]/);
});

test('a script runs with the Python of the image, its environment and user', async () => {
  const script = join(folder.path, 'own.py');
  await writeFile(
    script,
    'import os\nprint(os.getcwd(), os.getuid(), os.environ["GREETING"], open("/app/answer.txt").read())\n',
  );
  const result = await tidepool(dataDir, ['run', script, '--runtime', 'lab']);
  assert.deepEqual(result, { code: 0, stdout: '/work 4321 good morning 42\n\n', stderr: '' });
  await writeFile(script, 'def broken(:\n');
  const rejected = await tidepool(dataDir, ['run', script, '--runtime', 'lab']);
  assert.match(rejected.stderr, /own\.py.*line 1|line 1.*own\.py/s);
});

test('an image with root as its user has no more rights than another job', async () => {
  const text = (base: string): string => `FROM oci-archive:${base}\nCOPY r.py /\nCMD ["python3", "/r.py"]\n`;
  const script = `
import os, socket
print(os.getuid(), open('/proc/self/status').read().split('CapEff:')[1].split()[0])
open('mine', 'w').write('x')
for what in (lambda: os.chown('mine', 5, 5), lambda: os.setuid(0) or os.mknod('d', 0o20600, 259), lambda: socket.sethostname('x')):
    try:
        what()
        print('could')
    except OSError as error:
        print(error.strerror)
`;
  await add('asroot', { dockerfile: dockerfile('asroot', text, { 'r.py': script }) });
  const result = await tidepool(dataDir, ['run', '--image', '--runtime', 'asroot']);
  assert.equal(result.stdout, `0 0000000000000000\n${'Operation not permitted\n'.repeat(3)}`, result.stderr);
});

test('what a requirements.txt names is installed before the job runs, which waits and says so', async () => {
  const script = join(folder.path, 'greets.py');
  const requirements = join(folder.path, 'requirements.txt');
  await writeFile(script, 'import greet\nprint(greet.hello("from a wheel"))\n');
  await writeFile(requirements, '# what we need\ngreet >= 1\n');
  const args = ['run', script, '--requirements', requirements];
  const submitted = await tidepool(dataDir, [...args, '--detach']);
  const id = submitted.stdout.trim();
  const states = new Set<string>();
  const show = async () => {
    const job = JSON.parse((await tidepool(dataDir, ['job', 'show', id, '--json'])).stdout);
    states.add(job.reason);
    return job;
  };
  const ended = await until(show, (job) => job.ended, 300_000);
  assert.equal(ended.state, 'succeeded', ended.reason);
  assert.ok(
    [...states].some((reason) => /requirements|no ready worker has the runtime/.test(reason)),
    [...states].join('\n'),
  );
  // The same again is there.
  assert.deepEqual(await tidepool(dataDir, args), { code: 0, stdout: 'hello from a wheel\n', stderr: '' });
});

test('requirements that cannot be installed end the job with what pip says; those that may not be, at once', async () => {
  const script = join(folder.path, 'own.py');
  const requirements = join(folder.path, 'wrong.txt');
  await writeFile(script, 'print("never runs")\n');
  await writeFile(requirements, 'no-such-thing==1\n');
  const missing = await tidepool(dataDir, ['run', script, '--requirements', requirements]);
  assert.notEqual(missing.code, 0);
  assert.equal(missing.stdout, '');
  assert.match(missing.stderr, /No matching distribution found for no-such-thing==1/);
  await writeFile(requirements, 'greet\n--index-url http://127.0.0.1/\n');
  const refused = await tidepool(dataDir, ['run', script, '--requirements', requirements]);
  assert.match(refused.stderr, /requirements\.txt, line 2/);
});

test('what is no image is refused, and says why', async () => {
  const junk = join(folder.path, 'junk.tar');
  await writeFile(junk, 'not an archive');
  const empty = join(folder.path, 'no-layout');
  await mkdir(empty);
  const wrong: [string[], RegExp][] = [
    [['--docker-archive', junk], /archive/],
    [['--docker-archive', join(folder.path, 'none.tar')], /is not a file that can be read/],
    [['--oci', empty], /index\.json|oci-layout/],
    [['--dockerfile', empty], /buildah ended with exit code/],
    [[], /say where the image is/],
    [['--oci', empty, '--dockerfile', empty], /say where the image is/],
  ];
  for (const [args, message] of wrong) {
    const refused = await tidepool(dataDir, ['runtime', 'add', 'wrong', ...args]);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, message);
  }
  for (const name of ['python', 'Upper', 'a/b', 'x'.repeat(17), '../x', 'req-0']) {
    const refused = await tidepool(dataDir, ['runtime', 'add', name, '--oci', empty]);
    assert.match(refused.stderr, /cannot name a runtime|is built in|take another/, name);
  }
});

test('without a command of its own, and with a name that means another image, it is refused', async () => {
  const none = await tidepool(dataDir, ['run', '--image', '--runtime', 'python']);
  assert.match(none.stderr, /the runtime python was not made of an image/);
  const other = await dockerfile('other', () => 'FROM scratch\nCOPY a /\n', { a: 'b' });
  const again = await tidepool(dataDir, ['runtime', 'add', 'lab', '--dockerfile', other]);
  assert.match(again.stderr, /the name lab means another image/);
  const broken = await dockerfile('broken', () => 'FROM scratch\nCOPY missing /\n', {});
  const failed = await tidepool(dataDir, ['runtime', 'add', 'broken', '--dockerfile', broken]);
  assert.match(failed.stderr, /buildah ended with exit code/);
  const list = JSON.parse((await tidepool(dataDir, ['runtime', 'list', '--json'])).stdout);
  const names = list.map((one: { name: string }) => one.name).filter((name: string) => !name.startsWith('req-'));
  assert.deepEqual(names.sort(), ['asroot', 'lab', 'python']);
});
