import { TidepoolError } from '../domain/errors.ts';
import {
  maxLineBytes,
  type RecordingLine,
  recordingFormat,
  recordingLineSchema,
  recordingVersion,
} from '../protocol/recording.ts';

/** A recording's lines, and what was passed over. */
export interface ParsedRecording {
  readonly lines: readonly RecordingLine[];
  /** How many lines there are of types that are not known here, e.g. of a newer version. */
  readonly unknown: Readonly<Record<string, number>>;
  /** The last line has no end: it is being written, or its writer was stopped. */
  readonly isTorn: boolean;
}

/**
 * Reads a recording from pieces of its text.
 * Errors: `invalid` with file and line number for what is broken, is no recording, or has nothing in it.
 * @param name what the file is called in errors
 */
export async function parseRecording(text: AsyncIterable<string>, name: string): Promise<ParsedRecording> {
  const lines: RecordingLine[] = [];
  const unknown: Record<string, number> = {};
  let number = 0;
  let rest = '';
  for await (const piece of text) {
    const parts = (rest + piece).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      number += 1;
      const line = parseLine(part, name, number);
      if (typeof line === 'string') unknown[line] = (unknown[line] ?? 0) + 1;
      else lines.push(line);
    }
    // A line that never ends would fill the memory.
    if (rest.length > maxLineBytes) throw broken(name, number + 1, `it is longer than ${maxLineBytes} bytes`);
  }
  if (number === 0 && rest !== '') parseLine(rest, name, 1);
  if (number === 0) throw new TidepoolError('invalid', `${name} has no whole line; it is not a recording`);
  return { lines, unknown, isTorn: rest !== '' };
}

/** The line, or its type where that is not known. */
function parseLine(text: string, name: string, number: number): RecordingLine | string {
  const value = asObject(text, name, number);
  if (number === 1 && value.format !== recordingFormat) {
    throw broken(name, 1, 'it is not the header of a recording; write one by: tidepool top --record FILE');
  }
  if (value.type === 'header' && typeof value.version === 'number' && value.version > recordingVersion) {
    throw broken(name, number, `it is of version ${value.version}, and this is for up to ${recordingVersion}`);
  }
  const parsed = recordingLineSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { type } = value;
  const isKnown = recordingLineSchema.options.some((option) => option.shape.type.value === type);
  if (typeof type === 'string' && !isKnown && number > 1) return type.slice(0, 64);
  const [issue] = parsed.error.issues;
  throw broken(name, number, `${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'is not right'}`);
}

function asObject(text: string, name: string, number: number): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw broken(name, number, `it is not JSON: ${(cause as Error).message}`, cause);
  }
  if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>;
  throw broken(name, number, 'it is not a JSON object');
}

function broken(name: string, line: number, problem: string, cause?: unknown): TidepoolError {
  return new TidepoolError('invalid', `${name}, line ${line}: ${problem}`, { cause, details: { line } });
}
