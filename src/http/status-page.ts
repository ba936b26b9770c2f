import { createHash } from 'node:crypto';
import type { JobView } from '../protocol/api.ts';

const style =
  'body{font:1rem/1.5 sans-serif;margin:2rem}td,th{padding:.2rem 1rem .2rem 0;text-align:left;vertical-align:top}';
const styleHash = createHash('sha256').update(style).digest('base64');

/** What browsers let the page do: show itself. */
export const statusPagePolicy = [
  "default-src 'none'",
  `style-src 'sha256-${styleHash}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** A user's jobs as a page without scripts, which loads itself again now and then. Pure. @param nextCursor of older jobs */
export function statusPage(user: string, jobs: readonly JobView[], nextCursor: string | null): string {
  const headings = ['Job', 'State', 'Why', 'Submitted', 'Output', 'Files'].map((text) => `<th>${text}</th>`).join('');
  const older = nextCursor === null ? '' : `<p><a href="?cursor=${encodeURIComponent(nextCursor)}">Older jobs</a></p>`;
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta http-equiv="refresh" content="10"><title>Jobs of ${html(user)}</title>
<style>${style}</style></head>
<body>
<h1>Jobs of ${html(user)}</h1>
${
  jobs.length === 0
    ? '<p>There are no jobs.</p>'
    : `<table><thead><tr>${headings}</tr></thead><tbody>
${jobs.map(row).join('\n')}
</tbody></table>`
}
${older}</body>
</html>
`;
}

function row(job: JobView): string {
  const address = `/api/v1/jobs/${encodeURIComponent(job.id)}`;
  const submitted = `${new Date(job.createdAtMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  const output = `<a href="${address}/output">output</a>`;
  const files = job.ended ? `<a href="${address}/archive">files</a>` : '';
  return `<tr>${[html(job.name), html(job.state), html(job.reason), submitted, output, files]
    .map((cell) => `<td>${cell}</td>`)
    .join('')}</tr>`;
}

/** Text as HTML; control characters, which a name may have, become `?`. */
function html(text: string): string {
  const signs: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?').replace(/[&<>"']/g, (sign) => signs[sign] ?? sign);
}
