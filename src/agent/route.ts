import type { IncomingMessage, ServerResponse } from 'node:http';

/** One request of the control plane's. */
export interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** Fires when the caller is gone. */
  readonly signal: AbortSignal;
}

/** @param id the variable part of the path, '' where there is none */
export type Handler<Api> = (api: Api, call: Call, id: string) => Promise<void>;

/** By `METHOD path`, with `:id` for the one variable part. */
export type Routes<Api> = Readonly<Record<string, Handler<Api>>>;
