import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { exampleAtMs, exampleEvent, examplePool, exampleUsage } from './cloud.fake.ts';
import { type FrameSize, frame } from './frame.ts';
import { plainLines } from './plain.ts';
import { encode } from './spans.ts';
import { emptyState, type TopState, withAnswer, withEvent } from './state.ts';

const server = 'http://127.0.0.1:3000';

function stateOf(vms: number): TopState {
  const usage = Array.from({ length: vms }, (_, i) => exampleUsage(`vm-000${i}`, [0, 0.5, 1, 1]));
  const answer = { pools: [examplePool(), examplePool('other')], usage, queued: 3 };
  return withEvent(withAnswer(emptyState(server, 0), answer, exampleAtMs), exampleEvent(7));
}

function shown(state: TopState, size: FrameSize, pool?: string): string[] {
  const lines = frame(state, size, { pool, note: '' });
  return lines.map((line) => stripVTControlCharacters(encode(line, size.columns, true)));
}

test('counts, decision, limits, deciding window, events and queue are there', () => {
  const text = shown(stateOf(1), { columns: 120, rows: 40 }).join('\n');
  assert.match(text, /12:00:00 UTC {2}connected {2}3 jobs wait/);
  assert.match(text, /default +1 to 3 +2 +1 +0 +1 +0 +0 +window5-80-35/);
  assert.match(text, /grows from 1 to 2 \(window5-80-35: CPU 98 % over 5 s is above 80 %\)/);
  assert.match(text, /window5-80-35 grows above 80 %.*shrinks below 35 %/);
  assert.match(text, / 80 % ╌+/);
  assert.match(text, / 35 % ╌+/);
  assert.match(text, /deciding 5 s ╰─╯/);
  assert.match(text, /vm-0000 {2}ready {2}100 % {2}512.0 MiB/);
  assert.match(text, /vm.launching +vm-0001 +launching/);
});

test('the pool that is asked for is shown; many VMs get a line each, and the rest a number', () => {
  const size = { columns: 100, rows: 24 };
  assert.match(shown(stateOf(1), size, 'other').join('\n'), /▸ other/);
  assert.match(shown(stateOf(1), size, 'other').join('\n'), /no VM/);
  const many = shown(stateOf(9), { columns: 100, rows: 16 }).join('\n');
  assert.match(many, /vm-0000 {2}ready +100 % {2}[\u2800-\u28ff ]+\n/);
  assert.match(many, /and \d more VMs/);
});

test('of a VM that has not been sampled for a while, as one that sleeps, no CPU is told', () => {
  const later = { ...stateOf(2), nowMs: exampleAtMs + 60_000 };
  assert.match(shown(later, { columns: 120, rows: 40 }).join('\n'), /vm-0000 {2}ready {2}- */);
  assert.match(shown(later, { columns: 120, rows: 16 }).join('\n'), /vm-0000 {2}ready +- {2}/);
  assert.match(plainLines(later)[0] ?? '', /CPU vm-0000 -, vm-0001 -/);
});

test('a server that is away is told of first', () => {
  const state = { ...stateOf(1), trouble: 'no server answers' };
  assert.match(shown(state, { columns: 60, rows: 4 })[0] ?? '', /DISCONNECTED: no server answers/);
});

test('a frame fits its window, whatever its size', () => {
  const sizes = fc.record({ columns: fc.integer({ min: 1, max: 200 }), rows: fc.integer({ min: 1, max: 60 }) });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 0, max: 9 }), (size, vms) => {
      const lines = shown(stateOf(vms), size);
      assert.equal(lines.length, size.rows);
      assert.ok(lines.every((line) => line.length <= size.columns));
    }),
  );
});
