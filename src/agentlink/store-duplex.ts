import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { TidepoolError } from '../domain/errors.ts';
import { maxStoreLineBytes, type StoreAnswer, type StoreRequest } from '../protocol/agent-service.ts';
import { LineReader, withBuffered } from '../protocol/lines.ts';
import type { Deadline } from './deadline.ts';
import { exchange, type Request, transferError } from './exchange.ts';
import { storeRequestSchema } from './service-schemas.ts';

/** Short requests may ask for large values: the answers of so many are in memory at a time. */
const maxBatch = 128;

export type AnswerRequests = (requests: readonly StoreRequest[]) => Promise<StoreAnswer[]>;

/**
 * Holds one exchange open in which the agent's answer brings requests and our body carries what `answer` says to them, as
 * ServiceLink.serveStore has it. @param limit runs whenever it is the agent's turn to say something
 */
export async function serveStore(
  request: Request,
  limit: Deadline,
  answer: AnswerRequests,
  signal: AbortSignal,
): Promise<void> {
  const outgoing = new PassThrough();
  // The request's head is sent with the first bytes of its body.
  outgoing.write('\n');
  try {
    await converse(await exchange({ ...request, body: outgoing }), outgoing, limit, answer);
  } catch (cause) {
    if (!signal.aborted) throw transferError(request, cause);
  } finally {
    outgoing.destroy();
  }
}

async function converse(
  incoming: IncomingMessage,
  outgoing: PassThrough,
  limit: Deadline,
  answer: AnswerRequests,
): Promise<void> {
  const lines = new LineReader(maxStoreLineBytes);
  // All that came since the last ones were answered: so the longer answers take, the more of them are made at once.
  for await (const chunk of incoming) {
    limit.renew();
    const requests = parseRequests(lines, withBuffered(chunk, incoming));
    if (requests.length === 0) await send(outgoing, '\n', limit);
    for (let at = 0; at < requests.length; at += maxBatch) {
      limit.hold();
      const answers = await answer(requests.slice(at, at + maxBatch));
      limit.renew();
      await send(outgoing, answers.map((each) => `${JSON.stringify(each)}\n`).join(''), limit);
    }
  }
}

/** Resolves when there is room for more. */
async function send(outgoing: PassThrough, text: string, limit: Deadline): Promise<void> {
  if (!outgoing.write(text)) await once(outgoing, 'drain', { signal: limit.signal });
}

/** Error: `upstream` when they are none. */
function parseRequests(lines: LineReader, chunk: Uint8Array): StoreRequest[] {
  try {
    return lines
      .push(chunk)
      .filter((line) => line !== '')
      .map((line) => storeRequestSchema.parse(JSON.parse(line)));
  } catch (cause) {
    throw new TidepoolError('upstream', "the agent's requests to the store are not of the protocol", { cause });
  }
}
