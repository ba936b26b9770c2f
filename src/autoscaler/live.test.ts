import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidepoolError } from '../domain/errors.ts';
import { FakeClock } from '../fake/clock.ts';
import { FakeNotes } from '../fake/notes.ts';
import { sampledVm } from '../fake/scaling.ts';
import { Autoscaler } from './live.ts';
import { readsLoads } from './note.ts';
import type { Seen } from './observe.ts';
import { plan } from './plan.ts';
import type { PolicyInput } from './policy.ts';
import { parsePolicies, policiesNamed } from './presets.ts';

/** A pool under a steady load, whose server can be started again and again. */
class Cloud {
  readonly clock = new FakeClock();
  readonly notes = new FakeNotes();
  readonly sizes: number[] = [];
  readonly logged: string[] = [];
  desired = 10;
  /** CPU that the pool uses, in VMs' worth. */
  load = 8;
  waiting: number | null = 0;
  inFlight: number | null = 1;
  paused = false;
  eventError: Error | undefined;
  #upSinceMs = 0;
  #server: Autoscaler | undefined;
  readonly #configured: readonly PolicyInput[];
  names: readonly string[];

  constructor(policies: readonly (string | PolicyInput)[]) {
    this.#configured = policies.filter((one) => typeof one !== 'string');
    this.names = policies.map((one) => (typeof one === 'string' ? one : (one.name ?? one.kind)));
  }

  async start(): Promise<void> {
    const own = parsePolicies(this.#configured);
    this.#upSinceMs = this.clock.uptimeMs();
    this.#server = new Autoscaler({
      clock: this.clock,
      notes: this.notes,
      plan: (snapshot, names, nowMs) => plan(snapshot, policiesNamed(names, own), nowMs),
      readsLoads: (names) => readsLoads(policiesNamed(names, own)),
      policyNames: this.names,
      emit: async () => {
        if (this.eventError !== undefined) throw this.eventError;
      },
      log: (line) => void this.logged.push(line),
      pool: {
        name: 'p',
        settings: () => ({ policies: this.names, paused: this.paused }),
        observe: async () => this.#seen(),
        scale: async (desired) => {
          this.desired = desired;
          this.sizes.push(desired);
        },
      },
    });
    this.#server.start();
    await this.clock.advance(0);
  }

  async stop(): Promise<void> {
    const stopped = this.#server?.stop();
    await this.clock.advance(1);
    await stopped;
  }

  /** As by kill -9: nothing more is written. */
  async kill(): Promise<void> {
    const { note } = this.notes;
    await this.stop();
    this.notes.note = note;
  }

  async run(seconds: number): Promise<void> {
    for (let i = 0; i < seconds; i += 1) await this.clock.advance(1_000);
  }

  /** Samples are there for as long as the server is up, less the second that the first takes. */
  #seen(): Seen {
    const seconds = Math.floor((this.clock.uptimeMs() - this.#upSinceMs) / 1_000) - 1;
    const cpus = new Array<number>(Math.min(600, Math.max(0, seconds))).fill(Math.min(1, this.load / this.desired));
    const { waiting, inFlight } = this;
    return {
      pool: 'p',
      min: 1,
      max: 20,
      desired: this.desired,
      vms: Array.from({ length: this.desired }, (_, i) => sampledVm(`v${i}`, this.clock.now(), cpus, { inFlight })),
      backlog: { waiting, perVm: 1, meanMs: null },
      bootMs: 10_000,
    };
  }
}

const everyPolicy = ['mean30-80', 'mean30-90', 'window5-80-35', 'spike3-75', 'target', 'backlog', 'predict'];

for (const policy of everyPolicy) {
  test(`${policy}: under a steady load no restart shrinks the pool, with a note or without`, async () => {
    for (const away of [0, 30, 600, 86_400]) {
      for (const hasNote of [true, false]) {
        const cloud = new Cloud([policy]);
        await cloud.start();
        await cloud.run(400);
        const before = cloud.desired;
        for (let restarts = 0; restarts < 3; restarts += 1) {
          if (restarts === 1) await cloud.kill();
          else await cloud.stop();
          if (!hasNote) cloud.notes.note = undefined;
          await cloud.clock.advance(away * 1_000);
          await cloud.start();
          const seen: number[] = [];
          for (let second = 0; second < 40; second += 1) {
            await cloud.run(1);
            seen.push(cloud.desired);
          }
          assert.ok(Math.min(...seen) >= before, `away for ${away} s, note ${hasNote}: ${before} became ${seen}`);
        }
        await cloud.stop();
      }
    }
  });
}

/** Seconds after `idle` after which the pool shrinks; the server is started again after `restartAfter` of them. */
async function shrinksAfter(
  policy: PolicyInput,
  restartAfter: number,
  awaySeconds: number,
  hasNote = true,
): Promise<number> {
  const cloud = new Cloud([policy]);
  await cloud.start();
  await cloud.run(20);
  cloud.inFlight = 0;
  cloud.load = 0;
  for (let second = 0; second < 400; second += 1) {
    if (second === restartAfter) {
      await cloud.stop();
      if (!hasNote) cloud.notes.note = undefined;
      await cloud.clock.advance(awaySeconds * 1_000);
      await cloud.start();
    }
    await cloud.run(1);
    if (cloud.sizes.some((size) => size < 10)) {
      await cloud.stop();
      return second;
    }
  }
  await cloud.stop();
  return Number.POSITIVE_INFINITY;
}

test('a restart in the middle of a window neither shortens it nor begins it anew', async () => {
  const queue: PolicyInput = { kind: 'backlog', name: 'queue', stabiliseInMs: 60_000 };
  const undisturbed = await shrinksAfter(queue, 1_000, 0);
  assert.ok(undisturbed >= 58 && undisturbed <= 61, `${undisturbed}`);
  for (const restartAfter of [1, 20, 45, 58]) {
    for (const away of [0, 5, 3_600]) {
      const after = await shrinksAfter(queue, restartAfter, away);
      assert.ok(Math.abs(after - undisturbed) <= 2, `restart after ${restartAfter} s, away for ${away} s: ${after} s`);
    }
  }
});

test('without a note the window begins with the start', async () => {
  const queue: PolicyInput = { kind: 'backlog', name: 'queue', stabiliseInMs: 60_000 };
  const after = await shrinksAfter(queue, 30, 0, false);
  assert.ok(after >= 88 && after <= 92, `${after}`);
});

test('a cooldown goes on where it was, also when the server was killed right after the change', async () => {
  const asked: PolicyInput = { kind: 'backlog', name: 'asked', stabiliseInMs: 0, cooldownInMs: 100_000 };
  for (const away of [0, 1_000]) {
    const cloud = new Cloud([asked]);
    await cloud.start();
    await cloud.run(3);
    cloud.waiting = 2;
    await cloud.run(1);
    assert.deepEqual(cloud.sizes, [12]);
    await cloud.kill();
    cloud.waiting = 0;
    cloud.inFlight = 0;
    await cloud.clock.advance(away * 1_000);
    await cloud.start();
    await cloud.run(95);
    assert.deepEqual(cloud.sizes, [12]);
    await cloud.run(10);
    assert.deepEqual(cloud.sizes, [12, 1]);
    await cloud.stop();
  }
});

test('a note of another format, or one that is damaged, counts as none', async () => {
  const damaged = [
    { format: 2, savedAtMs: 1, body: {} },
    { format: 1, savedAtMs: 1, body: 'x' },
    {
      format: 1,
      savedAtMs: 1,
      body: { recommendations: [['queue', 1, 1, -1]], lastOutAtMs: null, lastInAtMs: null, loads: [] },
    },
  ];
  for (const note of damaged) {
    const cloud = new Cloud([{ kind: 'backlog', name: 'queue', stabiliseInMs: 60_000 }]);
    cloud.inFlight = 0;
    cloud.notes.note = note;
    await cloud.start();
    await cloud.run(50);
    assert.deepEqual(cloud.sizes, []);
    await cloud.run(15);
    assert.deepEqual(cloud.sizes, [1]);
    await cloud.stop();
  }
});

test('time in which the server stood still, and a clock that was set, are charged to nobody', async () => {
  for (const disturb of [
    (cloud: Cloud) => cloud.clock.jump(3_600_000),
    (cloud: Cloud) => cloud.clock.jump(-3_600_000),
    // The process is stopped: time goes on, and none of its timers fires until it continues.
    (cloud: Cloud) => cloud.clock.freeze(3_600_000),
  ]) {
    const cloud = new Cloud([{ kind: 'backlog', name: 'queue', stabiliseInMs: 60_000 }]);
    await cloud.start();
    await cloud.run(10);
    cloud.inFlight = 0;
    await cloud.run(30);
    disturb(cloud);
    await cloud.run(20);
    assert.deepEqual(cloud.sizes, []);
    await cloud.run(20);
    assert.deepEqual(cloud.sizes, [1]);
    await cloud.stop();
  }
});

test('nothing is decided before the note was read, and a store that cannot write does not stop the scaling', async () => {
  const cloud = new Cloud([{ kind: 'backlog', name: 'queue', stabiliseInMs: 0 }]);
  cloud.notes.error = new TidepoolError('unavailable', 'no database');
  cloud.inFlight = 0;
  await cloud.start();
  await cloud.run(5);
  assert.deepEqual(cloud.sizes, []);
  cloud.notes.error = undefined;
  await cloud.run(3);
  assert.deepEqual(cloud.sizes, [1]);
  cloud.notes.error = new TidepoolError('exhausted', 'the disk is full');
  cloud.eventError = cloud.notes.error;
  cloud.waiting = 3;
  cloud.logged.length = 0;
  await cloud.run(90);
  assert.deepEqual(cloud.sizes, [1, 3]);
  assert.equal(cloud.logged.filter((line) => line.includes('memory')).length, 1, 'a message that repeats comes once');
  cloud.notes.error = undefined;
  await cloud.stop();
});

test('a policy that is new to the pool, and one that was paused, shrink nothing before their windows have passed', async () => {
  const cloud = new Cloud([{ kind: 'backlog', name: 'queue', stabiliseInMs: 60_000 }, 'spike3-75']);
  const both = cloud.names;
  cloud.names = ['spike3-75'];
  cloud.inFlight = 0;
  cloud.load = 0;
  await cloud.start();
  await cloud.run(100);
  cloud.names = both.slice(0, 1);
  await cloud.run(55);
  assert.deepEqual(cloud.sizes, []);
  cloud.inFlight = 1;
  cloud.paused = true;
  await cloud.run(200);
  cloud.inFlight = 0;
  cloud.paused = false;
  await cloud.run(55);
  assert.deepEqual(cloud.sizes, []);
  await cloud.run(10);
  assert.deepEqual(cloud.sizes, [1]);
  await cloud.stop();
});

test('a pool at rest costs a write a minute', async () => {
  const cloud = new Cloud(['backlog', 'target']);
  await cloud.start();
  await cloud.run(60);
  const before = cloud.notes.writes;
  await cloud.run(600);
  assert.ok(cloud.notes.writes - before <= 11, `${cloud.notes.writes - before} writes in ten minutes`);
  await cloud.stop();
});

test('a note with an hour of loads is small', async () => {
  const cloud = new Cloud(['predict']);
  await cloud.start();
  await cloud.run(3_600);
  await cloud.stop();
  const body = JSON.stringify(cloud.notes.note?.body);
  assert.ok(body.length < 20_000, 'the note is small');
});
