import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, TidepoolError } from '../domain/errors.ts';
import { FakeClock } from '../fake/clock.ts';
import { agentSlots } from '../protocol/agent.ts';
import { guestPaths } from './paths.ts';
import type { Slot } from './slot.ts';
import { type SlotMaker, Slots, slotNumbers } from './slots.ts';

/** Slots without folders, some of which cannot be prepared or emptied. */
class FakeMaker implements SlotMaker {
  readonly prepared: number[] = [];
  readonly unusable = new Set<number>();
  readonly unclean = new Set<number>();

  async prepare(number: number): Promise<Slot> {
    this.prepared.push(number);
    if (this.unusable.has(number)) throw new TypeError('EMFILE: too many open files');
    return { number, launcher: { isAlive: true, end: () => undefined } } as unknown as Slot;
  }

  async reset({ number }: Slot): Promise<void> {
    await this.empty(number);
  }

  async empty(number: number): Promise<void> {
    if (this.unclean.has(number)) throw new TypeError('EPERM: operation not permitted');
  }
}

function world() {
  const clock = new FakeClock();
  const maker = new FakeMaker();
  const lines: string[] = [];
  const slots = new Slots(guestPaths, clock, (line) => lines.push(line), maker);
  return { clock, maker, lines, slots };
}

test('a slot that cannot be emptied is set aside: no attempt gets it, health counts it off, and it is mended later', async () => {
  const { clock, maker, lines, slots } = world();
  const first = await slots.take();
  maker.unclean.add(first.number);
  await slots.release(first.number);
  assert.equal(slots.count, agentSlots - 1);
  assert.match(lines.join(), /slot 0 is set aside: .*EPERM/);
  const others = [await slots.take(), await slots.take(), await slots.take()];
  assert.ok(others.every(({ number }) => number !== first.number));
  await clock.advance(120_000);
  assert.equal(slots.count, agentSlots - 1);
  maker.unclean.clear();
  await clock.advance(60_000);
  assert.equal(slots.count, agentSlots);
});

test('a slot that cannot be prepared is passed for the next ones, and a machine that can prepare none says so', async () => {
  const { maker, slots } = world();
  maker.unusable.add(0).add(1);
  assert.equal((await slots.take()).number, 2);
  for (let number = 0; number < slotNumbers; number += 1) maker.unusable.add(number);
  for (let i = 0; i < 200; i += 1)
    await assert.rejects(slots.take(), (error) => hasCode(error, 'internal') && /EMFILE/.test(error.message));
  // What failed is not used up.
  maker.unusable.clear();
  const numbers = new Set<number>();
  for (let i = 1; i < slotNumbers; i += 1) numbers.add((await slots.take()).number);
  assert.equal(numbers.size, slotNumbers - 1);
  await assert.rejects(slots.take(), (error) => hasCode(error, 'exhausted'));
});

test('all slots that are given back can be taken again', async () => {
  const { slots } = world();
  for (let round = 0; round < 3; round += 1) {
    const taken: Slot[] = [];
    for (let i = 0; i < slotNumbers; i += 1) taken.push(await slots.take());
    await assert.rejects(slots.take(), (error) => error instanceof TidepoolError);
    for (const { number } of taken) await slots.release(number);
  }
});
