import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import type { AgentAddress, AgentLink } from '../domain/agent-link.ts';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import { type AgentHealth, type AttemptReport, type AttemptSpec, reportTrailer } from '../protocol/agent.ts';
import { decodeFiles, type FileEntry } from '../protocol/file-stream.ts';
import { callLimitMs, parseJson, parseText, renewing, stallLimitMs, stopLimitMs, upload } from './call.ts';
import { Connections } from './connections.ts';
import { type Deadline, deadline, within } from './deadline.ts';
import { exchange, type Request, transferError } from './exchange.ts';
import { healthSchema, reportSchema, reportsSchema } from './schemas.ts';

const maxReportWaitMs = 60_000;
/** Most attempts run before that; a start that takes longer is not waited for. */
const startWaitMs = 5_000;

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

  async start(
    agent: AgentAddress,
    spec: AttemptSpec,
    files: AsyncIterable<FileEntry> | Iterable<FileEntry>,
  ): Promise<AttemptReport> {
    const limit = deadline(this.#clock, stallLimitMs, `sending attempt ${spec.id}`);
    const body = renewing(upload(spec, files), limit);
    const path = `/v1/attempts?waitMs=${startWaitMs}`;
    const request = { ...this.#request(agent, 'POST', path, limit), body };
    return within(limit, async () => parseReport(spec.id, request, await exchange(request)));
  }

  async report(agent: AgentAddress, id: string, waitMs = 0, signal?: AbortSignal): Promise<AttemptReport> {
    const heldMs = Math.min(Math.max(0, Math.floor(waitMs)), maxReportWaitMs);
    const limit = deadline(this.#clock, heldMs + callLimitMs, `the report of attempt ${id}`, signal);
    const request = this.#request(agent, 'GET', `${attemptPath(id)}?waitMs=${heldMs}`, limit);
    return within(limit, async () => parseReport(id, request, await exchange(request)));
  }

  async *output(
    agent: AgentAddress,
    id: string,
    offset: number,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array, AttemptReport> {
    let at = offset;
    for (;;) {
      // A quiet script and a dead VM look alike, so after a while of silence the agent is asked anew from there.
      const silence = new AbortController();
      const limit = deadline(this.#clock, callLimitMs, `the output of attempt ${id}`, signal);
      const request = this.#request(agent, 'GET', `${attemptPath(id)}/output?offset=${at}`, limit);
      let cancelSilence = (): void => undefined;
      try {
        const response = await exchange(request);
        limit.hold();
        const onSilence = (): void => silence.abort(response.destroy());
        cancelSilence = this.#clock.after(stallLimitMs, onSilence);
        for await (const chunk of response) {
          at += chunk.length;
          cancelSilence();
          yield chunk;
          cancelSilence = this.#clock.after(stallLimitMs, onSilence);
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

  async remove(agent: AgentAddress, id: string): Promise<void> {
    const limit = deadline(this.#clock, stopLimitMs, `removing attempt ${id}`);
    const request = this.#request(agent, 'DELETE', attemptPath(id), limit);
    await within(limit, async () => (await exchange(request)).resume());
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
