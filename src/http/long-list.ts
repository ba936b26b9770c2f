import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import { inSlices } from '../reconcile/slices.ts';

/** How a long list is made. */
export interface LongList<Value, Row extends z.ZodType> {
  /** The name of the list in the answer. */
  readonly name: string;
  /** The schema of one entry. */
  readonly row: Row;
  readonly values: Iterable<Value>;
  view(value: Value): z.output<Row>;
}

/**
 * Answers with an object of one list that may have very many entries, checked by their schema as any answer is. Views, checks and
 * text are made in slices: all other requests would have to wait while those of 10,000 machines are made at once.
 */
export async function sendLongList<Value, Row extends z.ZodType>(
  reply: FastifyReply,
  clock: Clock,
  list: LongList<Value, Row>,
): Promise<FastifyReply> {
  const text = await inSlices(clock, texts(list));
  return reply.type('application/json; charset=utf-8').send(text);
}

function* texts<Value, Row extends z.ZodType>({ name, row, values, view }: LongList<Value, Row>) {
  const rows: string[] = [];
  for (const value of values) {
    rows.push(JSON.stringify(z.encode(row, view(value))));
    yield;
  }
  return `{${JSON.stringify(name)}:[${rows.join()}]}`;
}
