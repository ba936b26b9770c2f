import type { SubmissionBody } from '../../src/protocol/api.ts';
import type { Random } from '../sim/random.ts';

/** A script with everything that is known beforehand of how it ends. */
export interface PlannedJob {
  readonly kind: string;
  readonly script: string;
  readonly spec: SubmissionBody;
  /** State in which the job must end. */
  readonly endsAs: string;
  readonly exitCode: number | null;
  /** What stdout of the last attempt must be; null where it depends on the moment of the end. */
  readonly stdout: string | null;
  /** Files that must be there at the end, by path, with their text. */
  readonly files: Readonly<Record<string, string>>;
  /** Milliseconds after the submission at which the job is cancelled; null: never. */
  readonly cancelAfterMs: number | null;
}

const MiB = 1024 ** 2;
const common = { endsAs: 'succeeded', exitCode: 0, files: {}, cancelAfterMs: null } as const;
const limits = { memoryBytes: 64 * MiB, cpus: 0.5, diskBytes: 64 * MiB };

/** Prints numbers with pauses, and writes a file: shows output that is lost, or there twice. */
function counting(random: Random): PlannedJob {
  const lines = random.int(5, 60);
  const pauseS = random.pick([0.02, 0.1, 0.3]) ?? 0.1;
  const token = String(random.int(0, 1e9));
  const script = `
import sys, time
print("start ${token}", flush=True)
for i in range(${lines}):
    print("line", i, flush=True)
    time.sleep(${pauseS})
open("out/token.txt", "w").write("${token}")
print("end")
`;
  const stdout = [`start ${token}`, ...Array.from({ length: lines }, (_, i) => `line ${i}`), 'end', ''].join('\n');
  return { ...common, kind: 'counting', script, spec: { limits }, stdout, files: { 'token.txt': token } };
}

/** Prints and writes much at once. */
function loud(random: Random): PlannedJob {
  const lines = random.int(2_000, 20_000);
  const size = random.int(1, 400_000);
  const script = `
for i in range(${lines}):
    print(i)
open("out/large.txt", "w").write("x" * ${size})
`;
  const stdout = Array.from({ length: lines }, (_, i) => `${i}\n`).join('');
  return { ...common, kind: 'loud', script, spec: { limits }, stdout, files: { 'large.txt': 'x'.repeat(size) } };
}

/** Works on one CPU for some seconds. */
function burning(random: Random): PlannedJob {
  const rounds = random.int(20_000, 150_000);
  const script = `
total = 0
for i in range(${rounds}):
    total = (total * 31 + i) % 1000003
print(total)
`;
  let total = 0;
  for (let i = 0; i < rounds; i += 1) total = (total * 31 + i) % 1_000_003;
  return { ...common, kind: 'burning', script, spec: { limits }, stdout: `${total}\n` };
}

function failing(random: Random): PlannedJob {
  const exitCode = random.int(1, 200);
  const script = `import sys\nprint("so far")\nsys.exit(${exitCode})\n`;
  return { ...common, kind: 'failing', script, spec: { limits }, endsAs: 'failed', exitCode, stdout: 'so far\n' };
}

function malformed(): PlannedJob {
  const script = 'print("never")\nthis is no Python\n';
  return { ...common, kind: 'malformed', script, spec: { limits }, endsAs: 'rejected', exitCode: null, stdout: '' };
}

/** Takes more memory than it may. */
function greedy(): PlannedJob {
  const script = 'kept = []\nwhile True:\n    kept.append(bytearray(1 << 20))\n';
  return { ...common, kind: 'greedy', script, spec: { limits }, endsAs: 'out_of_memory', exitCode: null, stdout: null };
}

function slow(): PlannedJob {
  const script = 'import time\nprint("waiting", flush=True)\ntime.sleep(600)\n';
  const spec = { limits: { ...limits, timeoutMs: 4_000 } };
  return { ...common, kind: 'slow', script, spec, endsAs: 'timed_out', exitCode: null, stdout: null };
}

function cancelled(random: Random): PlannedJob {
  const script = 'import time\ntime.sleep(3600)\n';
  const cancelAfterMs = random.int(0, 20_000);
  const ends = { endsAs: 'cancelled', exitCode: null, stdout: null, cancelAfterMs };
  return { ...common, kind: 'cancelled', script, spec: { limits }, ...ends };
}

/** A job of a random kind; most of them count, which shows the most. */
export function planJob(random: Random): PlannedJob {
  const die = random.int(0, 19);
  if (die < 9) return counting(random);
  if (die < 12) return loud(random);
  if (die < 14) return burning(random);
  if (die < 16) return failing(random);
  if (die === 16) return malformed();
  if (die === 17) return greedy();
  if (die === 18) return slow();
  return cancelled(random);
}
