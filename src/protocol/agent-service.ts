/**
 * The part of the agent API that is about services (the rest: agent.ts).
 *
 *   GET    /v1/services                      -> ServiceReport[]; those that are held, at most two (old and new revision)
 *   PUT    /v1/services/:id                  <- service body (below) -> ServiceReport (202); starts it, idempotent by id
 *   GET    /v1/services/:id?waitMs=N         -> ServiceReport; with waitMs held until it is no longer `starting` or N ms passed
 *   DELETE /v1/services/:id                  -> 204; TERM, then KILL of the whole cgroup after the grace; frees its disk and
 *                                             its port
 *   GET    /v1/services/:id/output?offset=N  -> output frames from byte N of what is kept of its log (a bounded ring: an older
 *                                             offset goes on at the oldest that is kept), not held open. The header
 *                                             `tidepool-offset` says where they begin
 *   POST   /v1/store                         <- StoreAnswer lines -> StoreRequest lines; both ways at once for as long as the
 *                                             control plane holds it open. One at a time: a second ends the first.
 *
 * Service body: one line of JSON (ServiceSpec), a newline, then a file stream of the working folder, as for attempts.
 * Handlers reach the store over a unix socket in their container; the agent passes their requests on here. While nobody
 * holds it open, requests wait (bounded) and then fail. What was sent and not answered when it broke is sent again on the
 * next. The agent sends an empty line every 10 s, to which an empty line is the answer: so each end knows the other to be
 * there, and gives the connection up after `storeSilenceMs` without a byte.
 */

/** Where a service's network device is in its guest: the container's own, which nothing else in the guest sees. */
export const serviceAddress = '10.0.3.15';
/** Guest ports, of which a revision uses one: so a new revision starts beside the old one. */
export const servicePorts: readonly [number, number] = [8000, 8001];

/** Of an http handler: answered with 200 beside the handler, by whoever would call it next. */
export const handlerHealthPath = '/-/health';

/** Between TERM and KILL. In it a handler finishes the requests that it works on (2 s), and tells where it hangs. */
export const serviceGraceMs = 5_000;

export interface ServiceSpec {
  /** `<service>-<revision number>`: letters, digits, dashes; at most 64 characters. */
  readonly id: string;
  readonly service: string;
  readonly protocol: 'http' | 'tcp' | 'udp';
  /** One of `servicePorts`; `$PORT` in the container. */
  readonly port: number;
  readonly runtime: string;
  /** A file of the working folder that defines the function `handler`, or a program that listens on `$PORT`. */
  readonly entry:
    | { readonly kind: 'handler'; readonly file: string }
    | { readonly kind: 'command'; readonly argv: readonly string[] };
  readonly environment: Readonly<Record<string, string>>;
  /** Processes of a handler; null: as many as the VM has vCPUs. */
  readonly processes: number | null;
  /** A request that a handler works on for longer counts as hung: its process is ended, its traceback kept. */
  readonly requestTimeoutMs: number;
  /** A longer request body is refused with 413 before the handler sees it. */
  readonly maxBodyBytes: number;
}

/** `starting` until it listens; `failed` when it does not import, ends too often, or does not listen in time. */
export type ServiceState = 'starting' | 'serving' | 'failed';

export interface ServiceReport {
  readonly id: string;
  /** Of its spec: which of `servicePorts` it has. */
  readonly port: number;
  readonly state: ServiceState;
  /** One sentence on what is wrong, or ''. */
  readonly message: string;
  /** The last traceback, as Python printed it; at most 16 KiB; '' while there is none. */
  readonly traceback: string;
  /** How often its processes ended and were started again. */
  readonly restarts: number;
  /** Requests that are being worked on, and all so far; null where it is not known (a command's own server). */
  readonly inFlight: number | null;
  readonly requests: number | null;
  /** Requests whose handler raised, or that ran into the time limit. */
  readonly errors: number | null;
}

/** What a handler wants of the key-value store of its service. Values are base64. `id` counts up. */
export type StoreRequest =
  | { readonly id: number; readonly op: 'get'; readonly key: string }
  | { readonly id: number; readonly op: 'put'; readonly key: string; readonly value: string }
  /** Writes only when there is no value yet; answers with the value that then stands. */
  | { readonly id: number; readonly op: 'add'; readonly key: string; readonly value: string }
  | { readonly id: number; readonly op: 'delete'; readonly key: string };

/** `value` is null where there is none. A `put` is answered when it is durable. */
export interface StoreAnswer {
  readonly id: number;
  readonly value: string | null;
  /** '' when it was done; else why not, for a person. */
  readonly error: string;
}

/** Of a key, in UTF-8, and of a value. */
export const maxStoreKeyBytes = 512;
export const maxStoreValueBytes = 64 * 1024;
/** Of a StoreRequest or StoreAnswer, with a value in base64 and a key of which every character is escaped. */
export const maxStoreLineBytes = 128 * 1024;
export const storeSilenceMs = 30_000;
/**
 * Header of the agent's answer to POST /v1/store: the name of its relay, a UUID that is new with each start of the agent. The
 * ids of a relay's requests count up over all its connections. After a broken connection it sends those again, with their
 * ids and in their order, to which it has heard no answer; at most `maxStoreWaiting` are unanswered at one time.
 */
export const storeRelayHeader = 'tidepool-store-relay';
export const maxStoreWaiting = 4_096;
/** Header of a service's output. */
export const outputOffsetHeader = 'tidepool-offset';
