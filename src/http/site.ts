import { globSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { TidepoolError } from '../domain/errors.ts';
import { open } from './access.ts';

/** The dashboard as it was built: its folder, or why there is none. */
export type Site = { readonly folder: string } | { readonly problem: string };

interface Encodings {
  readonly type: string;
  readonly plain: Buffer;
  readonly gzip: Buffer;
  readonly brotli: Buffer;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Nothing but our own files; images also from what scripts of ours have fetched (`blob:`). */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const yearSeconds = 31_536_000;

/**
 * Serves the dashboard at `/`. Its files are few and small, so they are kept in memory.
 * @returns answers a page load of any path with the dashboard, which knows its own pages; false when it is none
 */
export function addSite(app: FastifyInstance, site: Site): (request: FastifyRequest, reply: FastifyReply) => boolean {
  const files = 'folder' in site ? readFiles(site.folder) : new Map<string, Encodings>();
  const index = files.get('index.html');
  app.get('/assets/*', { schema: { hide: true }, config: open }, (request, reply) => {
    const file = files.get(`assets/${(request.params as { '*': string })['*']}`);
    if (file === undefined) throw new TidepoolError('not_found', 'there is no such file; reload the page');
    void send(request, reply.header('cache-control', `public, max-age=${yearSeconds}, immutable`), file);
  });
  app.get('/icon.svg', { schema: { hide: true }, config: open }, (request, reply) => {
    const file = files.get('icon.svg');
    if (file === undefined) throw new TidepoolError('not_found', 'there is no icon');
    void send(request, reply.header('cache-control', 'no-cache'), file);
  });
  const sendPage = (request: FastifyRequest, reply: FastifyReply): void => {
    reply
      .header('cache-control', 'no-cache')
      .header('content-security-policy', contentSecurityPolicy)
      .header('referrer-policy', 'no-referrer');
    if (index !== undefined) void send(request, reply, index);
    else void reply.code(503).type('text/plain; charset=utf-8').send(problemText(site));
  };
  app.get('/', { schema: { hide: true }, config: open }, sendPage);
  return (request, reply) => {
    if (!isPageLoad(request)) return false;
    sendPage(request, reply.code(200));
    return true;
  };
}

function problemText(site: Site): string {
  const why = 'problem' in site ? site.problem : 'it was built without its first page';
  return `There is no dashboard: ${why}\nJobs, the command line and the API at /api/v1 work all the same.\n`;
}

/** A person who opens a page, and no program that asks the API for something that is not there. */
function isPageLoad({ method, url, headers }: FastifyRequest): boolean {
  if (method !== 'GET' || /^\/(api|assets)(\/|$)/.test(url)) return false;
  return headers.accept?.includes('text/html') ?? false;
}

function send(request: FastifyRequest, reply: FastifyReply, { type, plain, gzip, brotli }: Encodings): FastifyReply {
  const accepted = String(request.headers['accept-encoding'] ?? '');
  reply.type(type).header('vary', 'accept-encoding').header('x-content-type-options', 'nosniff');
  if (/\bbr\b/.test(accepted)) return reply.header('content-encoding', 'br').send(brotli);
  if (/\bgzip\b/.test(accepted)) return reply.header('content-encoding', 'gzip').send(gzip);
  return reply.send(plain);
}

function readFiles(folder: string): Map<string, Encodings> {
  const paths = globSync('**/*.{html,js,css,svg}', { cwd: folder });
  const read = (path: string): Buffer => readFileSync(join(folder, path));
  return new Map(
    paths.map((path) => {
      const type = types[extname(path)] ?? 'application/octet-stream';
      return [path, { type, plain: read(path), gzip: read(`${path}.gz`), brotli: read(`${path}.br`) }];
    }),
  );
}
