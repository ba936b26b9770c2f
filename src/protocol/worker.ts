/**
 * Workers that join by hand (docs/workers.md). The worker dials, since the control plane may not be able to reach it:
 *
 *   GET /api/v1/workers/link  Connection: Upgrade, Upgrade: tidepool-worker, with the headers below
 *
 * After the answer 101 both speak HTTP/2 on the connection, with the worker as the server. Each CONNECT that the control
 * plane sends makes a stream that stands for a connection to the worker's agent: in it, HTTP/1.1 as in agent.ts. A GOAWAY
 * with the debug data `dismissed` says that the worker is wanted no more.
 *
 * This file has no imports: both ends share it.
 */

export const workerUpgrade = 'tidepool-worker';
export const workerLinkPath = '/api/v1/workers/link';
/** The worker's name: workerNamePattern. */
export const workerNameHeader = 'tidepool-worker-name';
/** 32 hexadecimal digits, new with each start of the worker's process: only the same process goes on with its jobs. */
export const workerInstanceHeader = 'tidepool-worker-instance';
/** `agentProtocol` of the worker's checkout: another one than the server's is refused with the reason. */
export const workerProtocolHeader = 'tidepool-worker-protocol';
export const workerNamePattern = /^[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?$/;
export const workerInstancePattern = /^[0-9a-f]{32}$/;
/** Debug data of the GOAWAY to a worker that is wanted no more. */
export const dismissed = 'dismissed';
/** The control plane asks for the worker's health this often, so a worker that is asked nothing for long has lost it. */
export const workerHealthEveryMs = 5_000;
