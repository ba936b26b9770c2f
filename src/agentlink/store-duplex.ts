import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { TidepoolError } from '../domain/errors.ts';
import { maxStoreLineBytes, type StoreAnswer, type StoreRequest, storeRelayHeader } from '../protocol/agent-service.ts';
import { LineReader, withBuffered } from '../protocol/lines.ts';
import type { Deadline } from './deadline.ts';
import { exchange, type Request, transferError } from './exchange.ts';
import { storeRequestSchema } from './service-schemas.ts';

/** Short requests may ask for large values: the answers of so many are in memory at a time. */
const maxBatch = 128;
/** So long the agent may take to end its side when ours has ended. */
export const partingMs = 15_000;

/** @param relay name of the agent's relay; undefined for an agent of before it had one */
export type AnswerRequests = (requests: readonly StoreRequest[], relay: string | undefined) => Promise<StoreAnswer[]>;

const relayPattern = /^[0-9a-f-]{36}$/;

/**
 * Holds one exchange open in which the agent's answer brings requests and our body carries what `answer` says to them, as
 * ServiceLink.serveStore has it.
 *
 * When the signal fires the body ends, and what the agent still says is read to its end. A connection that is cut while both
 * sides have much to say stops QEMU: its user-mode network (libslirp 4.7) then reads into a buffer that is full.
 * @param limit runs whenever it is the agent's turn to say something
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
  const end = (): void => void outgoing.end();
  signal.addEventListener('abort', end, { once: true });
  try {
    await converse(await exchange({ ...request, body: outgoing }), outgoing, limit, answer, signal);
  } catch (cause) {
    if (!signal.aborted) throw transferError(request, cause);
  } finally {
    signal.removeEventListener('abort', end);
    outgoing.destroy();
  }
}

async function converse(
  incoming: IncomingMessage,
  outgoing: PassThrough,
  limit: Deadline,
  answer: AnswerRequests,
  signal: AbortSignal,
): Promise<void> {
  const over = AbortSignal.any([limit.signal, signal]);
  /** Resolves when there is room for more. */
  const send = async (text: string): Promise<void> => {
    if (signal.aborted || outgoing.write(text)) return;
    await once(outgoing, 'drain', { signal: over }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  };
  const relay = relayName(incoming);
  const lines = new LineReader(maxStoreLineBytes);
  // All that came since the last ones were answered: so the longer answers take, the more of them are made at once.
  for await (const chunk of incoming) {
    if (signal.aborted) continue;
    limit.renew();
    const requests = parseRequests(lines, withBuffered(chunk, incoming));
    if (requests.length === 0) await send('\n');
    for (let at = 0; at < requests.length && !signal.aborted; at += maxBatch) {
      limit.hold();
      const answers = await answer(requests.slice(at, at + maxBatch), relay);
      limit.renew();
      await send(answers.map((each) => `${JSON.stringify(each)}\n`).join(''));
    }
  }
}

/** Error: `upstream` when it is none. */
function relayName({ headers }: IncomingMessage): string | undefined {
  const name = headers[storeRelayHeader];
  if (name === undefined) return undefined;
  if (typeof name === 'string' && relayPattern.test(name)) return name;
  throw new TidepoolError('upstream', "the name of the agent's relay is not of the protocol");
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
