import { TidepoolError } from '../domain/errors.ts';

const sizeUnits: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };
const timeUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  '': 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `512M`, `1.5GiB`, `1000000`: bytes, powers of 1024. Errors: `invalid`. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  const bytes = Number(match?.[1]) * (sizeUnits[match?.[2]?.toLowerCase() ?? ''] ?? Number.NaN);
  if (!Number.isSafeInteger(Math.round(bytes))) {
    throw new TidepoolError('invalid', `${JSON.stringify(text)} is not a size; write it like 512M or 2G`);
  }
  return Math.round(bytes);
}

/** `500ms`, `30s`, `5m`, `2h`, or a bare number of seconds: milliseconds. Errors: `invalid`. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/i.exec(text.trim());
  const ms = Number(match?.[1]) * (timeUnits[match?.[2]?.toLowerCase() ?? ''] ?? Number.NaN);
  if (!Number.isSafeInteger(Math.round(ms))) {
    throw new TidepoolError('invalid', `${JSON.stringify(text)} is not a time; write it like 30s, 5m or 2h`);
  }
  return Math.round(ms);
}

/** A plain decimal number, no `NaN`, sign, exponent or infinity. Errors: `invalid`. */
export function parseCpus(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text) || !Number.isFinite(Number(text))) {
    throw new TidepoolError('invalid', `${JSON.stringify(text)} is not a number of CPUs; write it like 1 or 0.5`);
  }
  return Number(text);
}

/** A whole number, perhaps below 0; the server knows the range. */
export function parsePriority(text: string): number {
  if (!/^-?\d{1,4}$/.test(text)) {
    throw new TidepoolError('invalid', `${JSON.stringify(text)} is no priority; write it like 10 or -10`);
  }
  return Number(text);
}

/** Digits only. @param what it is, for the message. Errors: `invalid`. */
export function wholeNumber(what: string, text: string): number {
  if (!/^\d{1,6}$/.test(text))
    throw new TidepoolError('invalid', `${what} must be a whole number, not ${JSON.stringify(text)}`);
  return Number(text);
}

/** `NAME=VALUE` each, the later one of two with the same name. Errors: `invalid`. */
export function parseEnvironment(pairs: readonly string[]): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    if (equals < 1) throw new TidepoolError('invalid', `--env ${pair} is not of the form NAME=VALUE`);
    environment[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return environment;
}

/** 1536 as `1.5 KiB`. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit += 1) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** 90000 as `1m30s`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 60) return `${(ms / 1_000).toFixed(1)}s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes}m${seconds % 60}s` : `${Math.floor(minutes / 60)}h${minutes % 60}m`;
}
