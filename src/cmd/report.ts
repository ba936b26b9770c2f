import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { TidepoolError } from '../domain/errors.ts';
import { fileTrouble } from '../domain/file-trouble.ts';
import { maxRecordingBytes } from '../protocol/recording.ts';
import { toHistory } from '../report/history.ts';
import { type ParsedRecording, parseRecording } from '../report/lines.ts';
import { reportPage, reportSvg } from '../report/page.ts';
import { type Summary, summarize } from '../report/summary.ts';
import { many } from '../report/words.ts';

/** Options of `tidepool report` as the command line has them. */
export interface ReportOptions {
  /** A page if it ends in `.html`, else a folder for page and SVG. */
  readonly out?: string;
  readonly svg?: string;
  readonly json?: boolean;
}

/**
 * `tidepool report`: makes a page and an SVG of a recording; gives what to print. Without --out the page is put beside
 * the recording, but with --json or --svg alone there is none. Errors: `invalid` with the line that is broken.
 */
export async function report(path: string, options: ReportOptions): Promise<string> {
  const recording = await read(path);
  const history = toHistory(recording.lines);
  const summary = summarize(history);
  const files = targets(path, options);
  const notes = notesOn(recording);
  if (files.page !== undefined) await write(files.page, reportPage(history, summary, notes));
  if (files.svg !== undefined) await write(files.svg, reportSvg(history));
  if (options.json) return JSON.stringify(summary, null, 2);
  const written = [files.page, files.svg].filter((file) => file !== undefined);
  return [...summary.pools.map(inWords), ...notes, ...written.map((file) => `wrote ${file}`)].join('\n');
}

async function read(path: string): Promise<ParsedRecording> {
  const facts = await stat(path).catch((cause: Error) => {
    throw new TidepoolError('invalid', `the recording ${path} cannot be read: ${fileTrouble(cause)}`, { cause });
  });
  if (!facts.isFile()) throw new TidepoolError('invalid', `${path} is not a file`);
  if (facts.size > maxRecordingBytes) {
    throw new TidepoolError('too_large', `${path} has ${facts.size} bytes; at most ${maxRecordingBytes} are read`);
  }
  return parseRecording(createReadStream(path, { encoding: 'utf8', end: facts.size }), path);
}

function targets(path: string, { out, svg, json }: ReportOptions): { page?: string; svg?: string } {
  const name = basename(path, extname(path));
  const drawn = svg === undefined ? {} : { svg };
  if (out === undefined) {
    return json || svg !== undefined ? drawn : { page: join(dirname(path), `${name}.html`) };
  }
  if (/\.html?$/i.test(out)) return { page: out, ...drawn };
  return { page: join(out, `${name}.html`), svg: svg ?? join(out, `${name}.svg`) };
}

function notesOn({ unknown, isTorn }: ParsedRecording): string[] {
  const passedOver = Object.entries(unknown).map(
    ([type, count]) => `${count} lines of type ${type} are not known here.`,
  );
  return [...passedOver, ...(isTorn ? ['The last line is not whole and was left out.'] : [])];
}

function inWords({ pool, vmCount: { ready }, actions, failures, requests }: Summary['pools'][number]): string {
  const asked =
    requests === undefined
      ? ''
      : `; ${many(requests.count, 'request')}, ${requests.count - requests.ok} of them failed`;
  const vms = `${ready.min} to ${ready.max} VMs ready, ${ready.mean.toFixed(2)} on average`;
  return `pool ${pool}: ${vms}; ${many(actions.length, 'scaling action')}, ${many(failures.length, 'failure')}${asked}`;
}

/** Whoever looks at the file meanwhile sees the old one or the new one, never half of it. */
async function write(path: string, text: string): Promise<void> {
  const draft = `${path}.part`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await using file = await open(draft, 'w');
    await file.writeFile(text);
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true });
    throw new TidepoolError('invalid', `${path} cannot be written: ${fileTrouble(cause)}`, { cause });
  }
}
