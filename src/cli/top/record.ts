import { decisionSchema, type EventView, type UsageView } from '../../protocol/api.ts';
import type { RecordingLine, SampleLine } from '../../protocol/recording.ts';
import type { Answer } from './state.ts';

/** Samples on one line at most; far from the longest line that there may be. */
const samplesPerLine = 2_000;

/** What an answer adds to a recording: a line for every pool, or more where its VMs are very many. Pure. */
export function sampleLines({ pools, usage, queued }: Answer, atMs: number): SampleLine[] {
  return pools.flatMap(({ name, settings: { min, max }, counts }) => {
    const vms = usage
      .filter((vm) => vm.pool === name)
      .map(({ vm, state, samples }) => ({ vm, state, samples: samples.map(rounded) }));
    return portions(vms).map((vms) => ({ type: 'sample' as const, atMs, pool: name, min, max, counts, queued, vms }));
  });
}

/** The line of an event. A decision has a line of its own kind. Pure. */
export function eventLine(event: EventView): RecordingLine {
  const decision = event.name === 'pool.decision' ? decisionSchema.safeParse(event.data) : undefined;
  if (decision?.success) return { type: 'decision', paused: event.data.paused === true, ...decision.data };
  return { type: 'event', ...event };
}

/** The decisions that hold when a recording begins. Pure. */
export function firstDecisionLines({ pools }: Answer): RecordingLine[] {
  return pools.flatMap(({ decision, paused }) =>
    decision === null ? [] : [{ type: 'decision', paused, ...decision }],
  );
}

type Sample = UsageView['samples'][number];

function rounded(sample: Sample): Sample {
  return {
    atMs: sample.atMs,
    cpu: Number(sample.cpu.toFixed(4)),
    memoryBytes: Math.round(sample.memoryBytes),
    diskReadBytesPerSecond: Math.round(sample.diskReadBytesPerSecond),
    diskWriteBytesPerSecond: Math.round(sample.diskWriteBytesPerSecond),
    networkReceiveBytesPerSecond: Math.round(sample.networkReceiveBytesPerSecond),
    networkTransmitBytesPerSecond: Math.round(sample.networkTransmitBytesPerSecond),
  };
}

/** At least one portion, so that the counts of an empty pool are recorded too. */
function portions(vms: SampleLine['vms']): SampleLine['vms'][] {
  const all: SampleLine['vms'][] = [[]];
  let samples = 0;
  for (const vm of vms) {
    if (samples > 0 && samples + vm.samples.length > samplesPerLine) {
      all.push([]);
      samples = 0;
    }
    all.at(-1)?.push(vm);
    // A VM without samples takes room too.
    samples += vm.samples.length + 1;
  }
  return all;
}
