import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import type { AgentAddress, AgentLink, AttemptOutput, Following } from '../domain/agent-link.ts';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import {
  type AgentHealth,
  type AttemptReport,
  type AttemptSpec,
  reportTrailer,
  stateHeader,
} from '../protocol/agent.ts';
import { decodeFiles, type FileEntry } from '../protocol/file-stream.ts';
import { afterListening } from '../reconcile/lateness.ts';
import { callLimitMs, parseJson, parseText, renewing, stallLimitMs, stopLimitMs, upload } from './call.ts';
import { Connections } from './connections.ts';
import { type Deadline, deadline, within } from './deadline.ts';
import { exchange, type Request, transferError } from './exchange.ts';
import { healthSchema, reportSchema, reportsSchema } from './schemas.ts';

/** Of attempts that are removed in one request, whose ids its path has. */
const maxRemoved = 100;
/** The answer on an attempt that prepares. */
const acceptedStatus = 202;

/** A request that is answered with output, and its time limit. */
interface Call {
  readonly limit: Deadline;
  readonly request: Request;
}

/** AgentLink over HTTPS with pre-shared keys. */
export class HttpsAgentLink implements AgentLink {
  readonly #clock: Clock;
  readonly #connections: Connections;

  /** @param connections may be used by others too; `close` ends them */
  constructor(clock: Clock, connections: Connections = new Connections()) {
    this.#clock = clock;
    this.#connections = connections;
  }

  async health(agent: AgentAddress, signal?: AbortSignal, onContact?: () => void): Promise<AgentHealth> {
    const limit = deadline(this.#clock, callLimitMs, 'GET /v1/health', signal);
    const request = { ...this.#request(agent, 'GET', '/v1/health', limit), onContact };
    return within(limit, async () => parseJson(healthSchema, request, await exchange(request)));
  }

  async setClock(agent: AgentAddress, clock: Clock, signal?: AbortSignal): Promise<AgentHealth> {
    const limit = deadline(this.#clock, callLimitMs, 'setting the clock', signal);
    const request = this.#request(agent, 'POST', `/v1/clock?nowMs=${clock.now()}`, limit);
    return within(limit, async () => parseJson(healthSchema, request, await exchange(request)));
  }

  attempts(agent: AgentAddress): Promise<AttemptReport[]> {
    return this.#json(reportsSchema, agent, 'GET', '/v1/attempts', callLimitMs);
  }

  async *run(
    agent: AgentAddress,
    spec: AttemptSpec,
    files: AsyncIterable<FileEntry> | Iterable<FileEntry>,
    following: Following = {},
  ): AttemptOutput {
    const limit = deadline(this.#clock, stallLimitMs, `sending attempt ${spec.id}`, following.signal);
    const body = renewing(upload(spec, files), limit);
    const request = { ...this.#request(agent, 'POST', '/v1/attempts', limit), body };
    return yield* this.#follow(agent, spec.id, 0, following, { limit, request });
  }

  async report(agent: AgentAddress, id: string): Promise<AttemptReport> {
    const limit = deadline(this.#clock, callLimitMs, `the report of attempt ${id}`);
    const request = this.#request(agent, 'GET', attemptPath(id), limit);
    return within(limit, async () => parseReport(id, request, await exchange(request)));
  }

  output(agent: AgentAddress, id: string, offset: number, following: Following = {}): AttemptOutput {
    return this.#follow(agent, id, offset, following, this.#outputCall(agent, id, offset, following));
  }

  /**
   * A quiet script and a dead VM look alike, so after a while of silence the agent is asked anew from there; and so it is
   * when an attempt is long in preparing.
   */
  async *#follow(agent: AgentAddress, id: string, offset: number, following: Following, first: Call): AttemptOutput {
    let at = offset;
    for (let call = first; ; call = this.#outputCall(agent, id, at, following)) {
      const { limit, request } = call;
      const silence = new AbortController();
      let cancelSilence = (): void => undefined;
      try {
        const response = await exchange(request);
        limit.hold();
        if (response.statusCode === acceptedStatus) {
          response.resume();
          continue;
        }
        if (response.headers[stateHeader] === 'running') following.onRunning?.();
        const onSilence = (): void => silence.abort(response.destroy());
        cancelSilence = afterListening(this.#clock, stallLimitMs, onSilence);
        for await (const chunk of response) {
          at += chunk.length;
          cancelSilence();
          yield chunk;
          cancelSilence = afterListening(this.#clock, stallLimitMs, onSilence);
        }
        return endReport(id, request, response);
      } catch (cause) {
        if (!silence.signal.aborted) throw transferError(request, cause);
      } finally {
        cancelSilence();
        limit.clear();
      }
    }
  }

  #outputCall(agent: AgentAddress, id: string, offset: number, { signal }: Following): Call {
    const limit = deadline(this.#clock, callLimitMs, `the output of attempt ${id}`, signal);
    return { limit, request: this.#request(agent, 'GET', `${attemptPath(id)}/output?offset=${offset}`, limit) };
  }

  async stop(agent: AgentAddress, id: string): Promise<AttemptReport> {
    const limit = deadline(this.#clock, stopLimitMs, `stopping attempt ${id}`);
    const request = this.#request(agent, 'POST', `${attemptPath(id)}/stop`, limit);
    return within(limit, async () => parseReport(id, request, await exchange(request)));
  }

  async files(agent: AgentAddress, id: string, onFile: (file: FileEntry) => Promise<void>): Promise<void> {
    const limit = deadline(this.#clock, stallLimitMs, `the files of attempt ${id}`);
    const request = this.#request(agent, 'GET', `${attemptPath(id)}/files`, limit);
    await within(limit, async () => {
      const response = await exchange(request);
      try {
        await decodeFiles(renewing(bytesOf(request, response), limit), onFile);
      } catch (cause) {
        if (!(cause instanceof RangeError || cause instanceof SyntaxError)) throw cause;
        throw new TidepoolError('upstream', `the agent's files of ${id} are no file stream: ${cause.message}`, {
          cause,
        });
      } finally {
        response.destroy();
      }
    });
  }

  async remove(agent: AgentAddress, ids: readonly string[]): Promise<void> {
    for (let at = 0; at < ids.length; at += maxRemoved) {
      const limit = deadline(this.#clock, stopLimitMs, `removing ${ids.length} attempts`);
      const path = `/v1/attempts?ids=${ids
        .slice(at, at + maxRemoved)
        .map(encodeURIComponent)
        .join(',')}`;
      const request = this.#request(agent, 'DELETE', path, limit);
      await within(limit, async () => (await exchange(request)).resume());
    }
  }

  async close(): Promise<void> {
    this.#connections.close();
  }

  async #json<T>(schema: z.ZodType<T>, agent: AgentAddress, method: 'GET', path: string, limitMs: number): Promise<T> {
    const limit = deadline(this.#clock, limitMs, `${method} ${path}`);
    const request = this.#request(agent, method, path, limit);
    return within(limit, async () => parseJson(schema, request, await exchange(request)));
  }

  #request(address: AgentAddress, method: Request['method'], path: string, limit: Deadline): Request {
    return { address, agent: this.#connections.of(address), method, path, signal: limit.signal };
  }
}

function attemptPath(id: string): string {
  return `/v1/attempts/${encodeURIComponent(id)}`;
}

async function parseReport(id: string, request: Request, response: IncomingMessage): Promise<AttemptReport> {
  const report = await parseJson(reportSchema, request, response);
  if (report.id !== id) throw new TidepoolError('upstream', `the agent was asked for ${id} and reported ${report.id}`);
  return report;
}

/** The report that comes after the output. */
function endReport(id: string, request: Request, response: IncomingMessage): AttemptReport {
  const report = parseText(reportSchema, request, String(response.trailers[reportTrailer]));
  if (report.id === id && report.state === 'ended') return report;
  throw new TidepoolError(
    'upstream',
    `the agent ended the output of ${id} with a report of ${report.id} ${report.state}`,
  );
}

async function* bytesOf(request: Request, response: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    yield* response;
  } catch (cause) {
    throw transferError(request, cause);
  }
}
