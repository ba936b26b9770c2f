import { allCharts, poolChart } from './chart.ts';
import type { History, PoolHistory } from './history.ts';
import type { ResponseTimes } from './request-summary.ts';
import type { PoolSummary, ScalingAction, Spread, Summary } from './summary.ts';
import { darkTheme, lightTheme, pageTheme, themeVariables } from './theme.ts';
import { many } from './words.ts';

/** A page that stands alone: no script, nothing from a network, light or dark as the reader's system is. Pure. */
export function reportPage(history: History, summary: Summary, notes: readonly string[]): string {
  const from = new Date(history.fromMs);
  const heading = `Tidepool, ${day(history.fromMs)} ${time(history.fromMs)} to ${time(history.untilMs)} UTC`;
  const sections = history.pools.map((pool, i) => section(history, pool, summary.pools[i]));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeXml(heading)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escapeXml(heading)}</h1>
<p class="faint"><time datetime="${from.toISOString()}">${length(history.untilMs - history.fromMs)}</time> recorded from ${escapeXml(history.server)}.${notes.map((note) => ` ${escapeXml(note)}`).join('')}</p>
${sections.join('\n')}
</main>
</body>
</html>
`;
}

/** The charts as an SVG file for any viewer. Pure. */
export function reportSvg(history: History): string {
  return allCharts(history, lightTheme);
}

const style = `:root{color-scheme:light dark;${themeVariables(lightTheme)}}
@media (prefers-color-scheme:dark){:root{${themeVariables(darkTheme)}}}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1100px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:22px;margin:0 0 4px}h2{font-size:18px;margin:40px 0 8px}h3{font-size:15px;margin:28px 0 6px}
.faint{color:var(--faint)}
.chart{overflow-x:auto}.chart svg{max-width:100%;height:auto;min-width:640px}
.table{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:5px 14px 5px 0;border-bottom:1px solid var(--grid);vertical-align:top}
th{font-weight:600;color:var(--faint);white-space:nowrap}
td.n,th.n{text-align:right;white-space:nowrap}
td.out{color:var(--bad)}td.in{color:var(--good)}td.t{white-space:nowrap}`;

function section(history: History, pool: PoolHistory, summary: PoolSummary | undefined): string {
  if (summary === undefined) return '';
  const { vmCount } = summary;
  const counts = [
    ['VMs wanted', ...cells(vmCount.desired, 2)],
    ['VMs ready', ...cells(vmCount.ready, 2)],
    ...summary.cpu.map(({ vm, cpu }) => [`CPU of ${vm}, %`, ...cells(percent(cpu), 0)]),
  ];
  const shown = `${summary.requests === undefined ? '' : 'Response time per request, '}CPU per VM, number of VMs and events`;
  const failures = summary.failures.map((one) => [time(one.atMs), one.vm, one.reason, after(one.repairedAfterMs)]);
  return `<section>
<h2>Pool ${escapeXml(pool.pool)}</h2>
<p>${many(summary.actions.length, 'scaling action')}, ${many(summary.failures.length, 'failure')}, ${summary.vmHours.toFixed(2)} VM-hours ready, at most ${many(summary.mostQueued, 'job')} waiting.</p>
<div class="chart" role="img" aria-label="${escapeXml(shown)} of pool ${escapeXml(pool.pool)} over time">${poolChart(history, pool, pageTheme)}</div>
${requests(summary)}<h3>In numbers</h3>
${table(['', 'min', 'mean', 'max'], counts, [1, 2, 3])}
<h3>Scaling actions</h3>
${actionTable(summary.actions)}
<h3>Failures and repairs</h3>
${failures.length === 0 ? '<p class="faint">None.</p>' : table(['time', 'VM', 'what', 'repaired after'], failures, [3])}
${alerts(summary)}${decisions(pool)}${events(pool)}
</section>`;
}

function requests({ requests: all }: PoolSummary): string {
  if (all === undefined) return '';
  const { count, ok, failed, omitted } = all;
  const failures = Object.entries(failed).map(([outcome, number]) => `${number} ${outcome}`);
  const times = (tookMs: ResponseTimes | null): string[] =>
    tookMs === null ? ['', '', '', ''] : [tookMs.p50, tookMs.p90, tookMs.p99, tookMs.max].map(milliseconds);
  const rows = all.servers.map((one) => [one.server, String(one.count), String(one.failed), ...times(one.tookMs)]);
  const heading = ['response time, ms', 'requests', 'failed', 'p50', 'p90', 'p99', 'max'];
  return `<h3>Requests</h3>
<p>${many(count, 'request')}: ${ok} ok, ${count - ok} failed${failures.length === 0 ? '' : ` (${failures.join(', ')})`}${omitted === 0 ? '' : `; ${omitted} more are not in the recording`}. Response time counts from when a request was due.</p>
${table(heading, [...rows, ['all', String(count), String(count - ok), ...times(all.tookMs)]], [1, 2, 3, 4, 5, 6])}
`;
}

function milliseconds(ms: number): string {
  return ms >= 100 ? ms.toFixed(0) : ms.toPrecision(3);
}

function actionTable(actions: readonly ScalingAction[]): string {
  if (actions.length === 0) return '<p class="faint">None.</p>';
  const rows = actions.map(({ atMs, action, from, to, reason, paused, reachedAfterMs }) => {
    const what = `${from} to ${to}${paused ? ' (paused)' : ''}`;
    return `<tr><td class="t">${time(atMs)}</td><td class="t ${action}">${action === 'out' ? '▲' : '▼'} ${what}</td><td>${escapeXml(reason)}</td><td class="n">${after(reachedAfterMs)}</td></tr>`;
  });
  return `<div class="table"><table><thead><tr><th>time</th><th>VMs</th><th>reason</th><th class="n">reached after</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function alerts({ alerts: all }: PoolSummary): string {
  if (all.length === 0) return '';
  return `<h3>Alerts</h3>\n${table(
    ['time', 'what'],
    all.map(({ atMs, text }) => [time(atMs), text]),
    [],
  )}`;
}

/** All decisions, also those to do nothing, for who wants to know why not. */
function decisions({ decisions: all }: PoolHistory): string {
  const rows = all.map(({ atMs, action, from, desired, recommendations, limits }) => [
    time(atMs),
    action === 'none' ? `stays at ${from}` : `${from} to ${desired}`,
    recommendations
      .map(({ policy, desired: wanted, reason }) => `${policy} wants ${wanted}: ${reason.text}`)
      .join('; '),
    limits.map(({ text }) => text).join('; '),
  ]);
  return folded(`All ${all.length} decisions`, table(['time', 'VMs', 'policies', 'held by'], rows, []));
}

function events({ events: all }: PoolHistory): string {
  const rows = all.map(({ atMs, name, vm, text }) => [time(atMs), name, vm ?? '', text]);
  return folded(`All ${all.length} events`, table(['time', 'event', 'VM', 'what'], rows, []));
}

function folded(title: string, content: string): string {
  return `<details><summary><h3 style="display:inline-block">${escapeXml(title)}</h3></summary>${content}</details>\n`;
}

/** @param numbers which columns are numbers, and so to the right */
function table(heading: readonly string[], rows: readonly (readonly string[])[], numbers: readonly number[]): string {
  const kind = (i: number): string => (numbers.includes(i) ? ' class="n"' : heading[i] === 'time' ? ' class="t"' : '');
  const head = heading.map((text, i) => `<th${kind(i)}>${escapeXml(text)}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map((text, i) => `<td${kind(i)}>${escapeXml(text)}</td>`).join('')}</tr>`);
  return `<div class="table"><table><thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table></div>`;
}

function cells({ min, mean, max }: Spread, digits: number): string[] {
  return [min, mean, max].map((value) => (Number.isInteger(value) ? String(value) : value.toFixed(digits)));
}

function percent({ min, mean, max }: Spread): Spread {
  return { min: min * 100, mean: mean * 100, max: max * 100 };
}

function after(ms: number | null): string {
  return ms === null ? 'not seen' : `${(ms / 1_000).toFixed(1)} s`;
}

function day(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

function time(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 19);
}

function length(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Text for XML and HTML, also within quotes. */
function escapeXml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}
