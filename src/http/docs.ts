import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyContextConfig, FastifyInstance, FastifyPluginAsync, FastifySchema } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemSchema } from '../protocol/api.ts';
import { open } from './access.ts';

declare module 'fastify' {
  /** What the documents say of a route beside its schema. */
  interface FastifyContextConfig {
    /** The parts of a multipart/form-data body. */
    form?: z.ZodType;
    /** The type of an answer that is not JSON. */
    sends?: 'text/event-stream' | 'application/octet-stream' | 'application/zip' | 'text/plain' | 'text/html';
    /** Headers that it reads. */
    headers?: z.ZodObject;
  }
}

/** A file in a form, for the documents. */
export const binary = z.any().meta({ type: 'string', format: 'binary' });

/** For routes that make something, so that a request which is sent twice makes it once. */
export const onceHeaders = z.object({
  'idempotency-key': z
    .string()
    .optional()
    .describe('Any text of your own. The same request with the same key within 24 hours gives what the first one made'),
});

/** For streams of events that go on where they were cut. */
export const resumeHeaders = z.object({
  'last-event-id': z
    .string()
    .optional()
    .describe('The id of the last event that was seen; what comes after it follows'),
});

const tags = {
  jobs: 'Scripts and projects that run once, their output and files',
  services: 'Handlers and programs that answer requests from the VMs of a pool',
  pools: 'Pools of VMs, and what their autoscalers decide',
  vms: 'Virtual machines',
  workers: 'Machines that joined by hand',
  events: 'What happened to VMs, pools and services',
  account: 'Signing in, and the own password',
  tokens: 'Keys for programs',
  users: 'Users, for administrators',
  server: 'The server itself',
};

/** Makes the OpenAPI document of all routes that come after this, at /api/openapi.json, and pages of it at /api/docs. */
export async function addDocuments(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Tidepool',
        version,
        description:
          'A self-hosted elastic cloud that runs Python. Errors are problem documents (RFC 9457) with a `code`; lists go on with `cursor`; streams of events resume.',
      },
      tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
      components: {
        securitySchemes: {
          session: { type: 'apiKey', in: 'cookie', name: 'tidepool_session', description: 'Set by signing in' },
          token: {
            type: 'http',
            scheme: 'bearer',
            description: 'An API token; the names are scopes that it must have',
          },
        },
      },
    },
    transform: ({ schema, route, ...rest }) =>
      jsonSchemaTransform({ ...rest, route, schema: described(schema, route.config ?? {}) }),
    transformObject: jsonSchemaTransformObject,
  });
  app.get('/api/openapi.json', { schema: { hide: true }, config: open }, async () => app.swagger());
  await app.register(pages);
}

const pages: FastifyPluginAsync = async (scope) => {
  // The pages are the package's own routes; they show what the document shows, to anybody.
  scope.addHook('onRoute', (route) => {
    route.config = { ...open, ...route.config };
  });
  await scope.register(swaggerUi, {
    routePrefix: '/api/docs',
    uiConfig: { docExpansion: 'list', deepLinking: true },
    // The bar on top is the packages' own, and asks for other documents.
    theme: {
      title: 'Tidepool API',
      css: [{ filename: 'tidepool.css', content: '.swagger-ui .topbar { display: none }' }],
    },
    staticCSP:
      "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
      "font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  });
};

/** The schema of a route with what its config tells: who may use it, forms, other answers, errors. */
function described(schema: FastifySchema | undefined, config: FastifyContextConfig): FastifySchema {
  if (schema === undefined || schema.hide === true) return { hide: true };
  const { form, sends, headers } = config;
  const answer =
    sends === undefined ? {} : { 200: { description: 'As it is', content: { [sends]: { schema: binary } } } };
  return {
    ...schema,
    description: [schema.description, whoMay(config)].filter((text) => text !== undefined).join('\n\n'),
    security: securityOf(config),
    ...(headers === undefined ? {} : { headers }),
    ...(form === undefined ? {} : { body: form, consumes: ['multipart/form-data'] }),
    response: {
      ...(schema.response as Record<string, unknown> | undefined),
      ...answer,
      default: { description: 'An error', content: { 'application/problem+json': { schema: problemSchema } } },
    },
  };
}

function whoMay({ access, scope }: FastifyContextConfig): string | undefined {
  if (access === 'public') return 'For everybody, signed in or not.';
  if (access === 'admin') return `For administrators; by a token with the scope \`${scope}\`.`;
  if (access === 'either')
    return `For everybody where the setting legacyUpload is on; else by a token with the scope \`${scope}\`.`;
  return scope === 'account' ? 'By a session only; no token may do it.' : `By a token with the scope \`${scope}\`.`;
}

function securityOf({ access, scope }: FastifyContextConfig): Record<string, string[]>[] {
  if (access === 'public') return [];
  const signedIn =
    scope === undefined || scope === 'account' ? [{ session: [] }] : [{ session: [] }, { token: [scope] }];
  return access === 'either' ? [{}, ...signedIn] : signedIn;
}
