import type { Figures, Latency, Totals } from '../../loadgen/tally.ts';
import type { Color, Line, Span } from '../top/spans.ts';
import { clean } from '../top/spans.ts';

/** What is known of a load at one time. */
export interface LoadView {
  readonly service: string;
  readonly protocol: string;
  /** How requests are made, in words. */
  readonly pace: string;
  readonly atMs: number;
  /** Of the last second. */
  readonly recent: Figures;
  readonly total: Totals;
  readonly inFlight: number;
  /** Servers that requests are sent to. */
  readonly servers: number;
}

const shownServers = 8;

/** The view as a few lines of a terminal. Pure. */
export function statusLines({ pace, recent, total, inFlight, servers }: LoadView): Line[] {
  const failed = total.ended - total.ok;
  const trouble = servers === 0 ? [{ text: '  no server to send to', color: 'red' as Color, bold: true }] : [];
  return [
    [
      // A narrow terminal cuts the end off, so what must be seen comes first.
      { text: pace, bold: true },
      ...trouble,
      { text: `  ${perSecond(recent.ok, recent)} ok  ` },
      { text: failuresOf(total), ...(failed > 0 ? { color: 'red' as Color, bold: true } : {}) },
      { text: joined('', percentiles(recent.latencyMs), `in flight ${inFlight}`, `ok ${total.ok}`) },
    ],
    [{ text: 'per server  ', color: 'grey' }, ...serverSpans(recent)],
  ];
}

/** The view as one line, for logs and pipes. Pure. */
export function statusText({ pace, atMs, recent, total, inFlight, servers }: LoadView): string {
  const time = new Date(atMs).toISOString().slice(11, 19);
  const perServer = recent.servers.slice(0, shownServers).map(inServer(recent)).join(', ');
  return joined(
    time,
    pace,
    `${perSecond(recent.ok, recent)} ok`,
    percentiles(recent.latencyMs),
    `in flight ${inFlight}`,
    `ok ${total.ok}`,
    failuresOf(total),
    servers === 0 ? 'no server to send to' : perServer,
  );
}

/** All of a run, for a person. Pure. */
export function summaryText({ service, total, inFlight }: LoadView): string {
  const rest = inFlight === 0 ? '' : `, ${inFlight} not waited for`;
  const lines = [
    `${service}: ${total.ended} requests in ${total.seconds.toFixed(1)} s (${perSecond(total.ended, total)}): ${total.ok} ok, ${failuresOf(total)}${rest}`,
  ];
  if (total.latencyMs.max !== null) {
    const { p999, max } = total.latencyMs;
    lines.push(
      `response time, from when each was due: ${percentiles(total.latencyMs)}  p99.9 ${milliseconds(p999)}  max ${milliseconds(max)}`,
    );
  }
  for (const { name, ended, failed, latencyMs } of total.servers) {
    const share = Math.round((ended / total.ended) * 100);
    lines.push(
      `  ${clean(name)}: ${ended} (${share} %)${failed > 0 ? `, ${failed} failed` : ''}  ${percentiles(latencyMs)}`,
    );
  }
  const { lateMs } = total;
  if (lateMs.max !== null) {
    lines.push(`the client itself was late by ${milliseconds(lateMs.p99)} (p99), at most ${milliseconds(lateMs.max)}`);
  }
  return lines.join('\n');
}

/** All of a run as an object that becomes JSON; times in ms. Pure. */
export function summaryObject({ service, protocol, atMs, total, inFlight }: LoadView): Record<string, unknown> {
  const { seconds, ended, ok, outcomes, latencyMs, lateMs, servers } = total;
  return {
    service,
    protocol,
    startedAtMs: Math.round(atMs - seconds * 1_000),
    seconds: Number(seconds.toFixed(3)),
    requests: { ended, ok, failed: ended - ok, outcomes, inFlight },
    perSecond: seconds > 0 ? Number((ok / seconds).toFixed(3)) : 0,
    latencyMs,
    lateMs,
    servers: servers.map(({ name, ended, failed, latencyMs }) => ({ name, requests: ended, failed, latencyMs })),
  };
}

/** Two spaces between, also before the first where that is empty; others that are empty are left out. */
function joined(first: string, ...others: readonly string[]): string {
  return [first, ...others.filter((part) => part !== '')].join('  ');
}

function perSecond(count: number, { seconds }: Figures): string {
  const rate = seconds > 0 ? count / seconds : 0;
  return `${rate >= 100 ? rate.toFixed(0) : rate.toFixed(1)}/s`;
}

function percentiles({ p50, p90, p99 }: Latency): string {
  return p50 === null ? '' : `p50 ${milliseconds(p50)}  p90 ${milliseconds(p90)}  p99 ${milliseconds(p99)}`;
}

function milliseconds(ms: number | null): string {
  if (ms === null) return '-';
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(2)} s`;
  return `${ms >= 100 ? ms.toFixed(0) : ms.toPrecision(2)} ms`;
}

function failuresOf({ outcomes, ended, ok }: Figures): string {
  const kinds = Object.entries(outcomes).filter(([outcome, count]) => outcome !== 'ok' && count > 0);
  const named = kinds.map(([outcome, count]) => `${meanings[outcome] ?? outcome} ${count}`);
  return `failed ${ended - ok}${named.length === 0 ? '' : ` (${named.join(', ')})`}`;
}

const meanings: Readonly<Record<string, string>> = { dropped: 'dropped by the client' };

function serverSpans(recent: Figures): Span[] {
  const shown = recent.servers.slice(0, shownServers);
  const hidden = recent.servers.length - shown.length;
  if (shown.length === 0) return [{ text: '-', color: 'grey' }];
  return [
    { text: shown.map(inServer(recent)).join('  ') },
    ...(hidden > 0 ? [{ text: `  and ${hidden} more`, color: 'grey' as Color }] : []),
  ];
}

function inServer(figures: Figures): (server: Figures['servers'][number]) => string {
  return ({ name, ended }) => `${clean(name)} ${perSecond(ended, figures)}`;
}
